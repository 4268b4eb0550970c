//! A bounded map that forgets what has not been used for long: what was used since the last turn of
//! generations survives the next one.

use std::collections::HashMap;

/// See the module.
#[derive(Debug)]
pub(super) struct Generations<V> {
    young: HashMap<Box<str>, V>,
    old: HashMap<Box<str>, V>,
    size: usize,
}

impl<V: Clone> Generations<V> {
    /// Holds `size` to twice as many values.
    pub(super) fn new(size: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            size,
        }
    }

    pub(super) fn get(&mut self, key: &str) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    pub(super) fn insert(&mut self, key: Box<str>, value: V) {
        if self.young.len() >= self.size {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays() {
        let mut map = Generations::new(2);
        map.insert("often".into(), 0);
        for number in 1..20 {
            assert_eq!(map.get("often"), Some(0), "{number}");
            map.insert(number.to_string().into(), number);
        }
        assert_eq!(map.get("1"), None);
        assert!(map.young.len() + map.old.len() <= 4);
    }
}
