//! Text, errors and NULL.

use sqlbridge_procedure::procedure;

procedure! {
    fn reverse_string(text: &str) -> String {
        text.chars().rev().collect()
    }
}

procedure! {
    /// An `Err` ends the statement.
    fn shout(text: &str) -> Result<String, String> {
        if text.is_empty() {
            return Err("there is nothing to shout".into());
        }
        Ok(text.to_uppercase() + "!")
    }
}

procedure! {
    /// An `Option` takes NULL, if the parameter is declared `"nullable": true`.
    fn greet(name: Option<&str>) -> String {
        format!("Hello, {}!", name.unwrap_or("whoever you are"))
    }
}

procedure! {
    /// `None` is NULL.
    fn initial(name: &str) -> Option<String> {
        name.chars().next().map(String::from)
    }
}

procedure! {
    /// A panic ends the statement too, with its own message.
    fn nth_word(text: &str, n: i32) -> String {
        let words: Vec<&str> = text.split_whitespace().collect();
        words[n as usize].into()
    }
}
