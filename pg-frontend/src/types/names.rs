//! Names and object ids of the built-in types.
//!
//! [`parse_name`] reads a declaration (Postgres's or SQLite's), [`declare`] writes the one that goes
//! into SQLite's `CREATE TABLE` so that the column has a fitting affinity and the type can be read
//! back, [`format`] writes a type as `format_type` does.
//! <https://www.postgresql.org/docs/15/catalog-pg-type.html>

use super::{Oid, Type};

/// A row of the table of built-in types.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// `pg_type.oid`.
    pub oid: Oid,
    /// `pg_type.typname`.
    pub name: &'static str,
    /// How `format_type` calls it.
    pub display: &'static str,
    /// `pg_type.typlen`.
    pub size: i16,
    /// Its array type's oid, or 0.
    pub array: Oid,
    /// `pg_type.typcategory`.
    pub category: u8,
}

const fn built_in(
    oid: Oid,
    name: &'static str,
    display: &'static str,
    size: i16,
    array: Oid,
    category: u8,
) -> BuiltIn {
    BuiltIn {
        oid,
        name,
        display,
        size,
        array,
        category,
    }
}

/// The types known here. Array types are derived from them.
pub const BUILT_IN: &[BuiltIn] = &[
    built_in(16, "bool", "boolean", 1, 1000, b'B'),
    built_in(17, "bytea", "bytea", -1, 1001, b'U'),
    built_in(18, "char", "\"char\"", 1, 1002, b'Z'),
    built_in(19, "name", "name", 64, 1003, b'S'),
    built_in(20, "int8", "bigint", 8, 1016, b'N'),
    built_in(21, "int2", "smallint", 2, 1005, b'N'),
    built_in(22, "int2vector", "int2vector", -1, 1006, b'A'),
    built_in(23, "int4", "integer", 4, 1007, b'N'),
    built_in(24, "regproc", "regproc", 4, 1008, b'N'),
    built_in(25, "text", "text", -1, 1009, b'S'),
    built_in(26, "oid", "oid", 4, 1028, b'N'),
    built_in(27, "tid", "tid", 6, 1010, b'U'),
    built_in(28, "xid", "xid", 4, 1011, b'U'),
    built_in(29, "cid", "cid", 4, 1012, b'U'),
    built_in(30, "oidvector", "oidvector", -1, 1013, b'A'),
    built_in(114, "json", "json", -1, 199, b'U'),
    built_in(142, "xml", "xml", -1, 143, b'U'),
    built_in(194, "pg_node_tree", "pg_node_tree", -1, 0, b'Z'),
    built_in(600, "point", "point", 16, 1017, b'G'),
    built_in(650, "cidr", "cidr", -1, 651, b'I'),
    built_in(700, "float4", "real", 4, 1021, b'N'),
    built_in(701, "float8", "double precision", 8, 1022, b'N'),
    built_in(705, "unknown", "unknown", -2, 0, b'X'),
    built_in(790, "money", "money", 8, 791, b'N'),
    built_in(829, "macaddr", "macaddr", 6, 1040, b'U'),
    built_in(869, "inet", "inet", -1, 1041, b'I'),
    built_in(1033, "aclitem", "aclitem", 12, 1034, b'U'),
    built_in(1042, "bpchar", "character", -1, 1014, b'S'),
    built_in(1043, "varchar", "character varying", -1, 1015, b'S'),
    built_in(1082, "date", "date", 4, 1182, b'D'),
    built_in(1083, "time", "time without time zone", 8, 1183, b'D'),
    built_in(
        1114,
        "timestamp",
        "timestamp without time zone",
        8,
        1115,
        b'D',
    ),
    built_in(
        1184,
        "timestamptz",
        "timestamp with time zone",
        8,
        1185,
        b'D',
    ),
    built_in(1186, "interval", "interval", 16, 1187, b'T'),
    built_in(1266, "timetz", "time with time zone", 12, 1270, b'D'),
    built_in(1560, "bit", "bit", -1, 1561, b'V'),
    built_in(1562, "varbit", "bit varying", -1, 1563, b'V'),
    built_in(1700, "numeric", "numeric", -1, 1231, b'N'),
    built_in(1790, "refcursor", "refcursor", -1, 2201, b'U'),
    built_in(2202, "regprocedure", "regprocedure", 4, 2207, b'N'),
    built_in(2203, "regoper", "regoper", 4, 2208, b'N'),
    built_in(2204, "regoperator", "regoperator", 4, 2209, b'N'),
    built_in(2205, "regclass", "regclass", 4, 2210, b'N'),
    built_in(2206, "regtype", "regtype", 4, 2211, b'N'),
    built_in(2249, "record", "record", -1, 2287, b'P'),
    built_in(2275, "cstring", "cstring", -2, 1263, b'P'),
    built_in(2276, "any", "\"any\"", 4, 0, b'P'),
    built_in(2277, "anyarray", "anyarray", -1, 0, b'P'),
    built_in(2278, "void", "void", 4, 0, b'P'),
    built_in(2279, "trigger", "trigger", 4, 0, b'P'),
    built_in(2283, "anyelement", "anyelement", 4, 0, b'P'),
    built_in(2950, "uuid", "uuid", 16, 2951, b'U'),
    built_in(2970, "txid_snapshot", "txid_snapshot", -1, 2949, b'U'),
    built_in(3220, "pg_lsn", "pg_lsn", 8, 3221, b'U'),
    built_in(3614, "tsvector", "tsvector", -1, 3643, b'U'),
    built_in(3615, "tsquery", "tsquery", -1, 3645, b'U'),
    built_in(3734, "regconfig", "regconfig", 4, 3735, b'N'),
    built_in(3769, "regdictionary", "regdictionary", 4, 3770, b'N'),
    built_in(3802, "jsonb", "jsonb", -1, 3807, b'U'),
    built_in(4072, "jsonpath", "jsonpath", -1, 4073, b'U'),
    built_in(4089, "regnamespace", "regnamespace", 4, 4090, b'N'),
    built_in(4096, "regrole", "regrole", 4, 4097, b'N'),
    built_in(5069, "xid8", "xid8", 8, 271, b'U'),
];

/// The built-in type with this oid; for an array type, none.
#[must_use]
pub fn built_in_of(oid: Oid) -> Option<&'static BuiltIn> {
    BUILT_IN
        .binary_search_by_key(&oid, |row| row.oid)
        .ok()
        .map(|index| &BUILT_IN[index])
}

/// The element type of an array type.
#[must_use]
pub fn element_of(oid: Oid) -> Option<Oid> {
    match oid {
        22 => return Some(21),
        30 => return Some(26),
        0 => return None,
        _ => {}
    }
    if let Some(row) = BUILT_IN.iter().find(|row| row.array == oid) {
        return Some(row.oid);
    }
    (oid >= super::USER_ARRAYS).then(|| oid - super::USER_ARRAYS + super::USER_TYPES)
}

/// The array type over an element type, or 0 where there is none.
#[must_use]
pub fn array_of(oid: Oid) -> Oid {
    match built_in_of(oid) {
        Some(row) => row.array,
        None if (super::USER_TYPES..super::USER_ARRAYS).contains(&oid) => {
            oid - super::USER_TYPES + super::USER_ARRAYS
        }
        None => 0,
    }
}

/// A type by one of its names, without modifier, lower case: `int`, `character varying`, `timestamptz`.
fn by_name(name: &str) -> Option<Oid> {
    Some(match name {
        "int" | "integer" | "serial" | "serial4" | "mediumint" => 23,
        "bigint" | "bigserial" | "serial8" => 20,
        "smallint" | "smallserial" | "serial2" | "tinyint" => 21,
        "real" => 700,
        "float" | "double precision" | "double" => 701,
        "decimal" | "dec" => 1700,
        "boolean" => 16,
        "character varying" | "char varying" | "nvarchar" => 1043,
        "character" | "char" | "nchar" => 1042,
        "\"char\"" => 18,
        "timestamp without time zone" | "datetime" => 1114,
        "timestamp with time zone" => 1184,
        "time without time zone" => 1083,
        "time with time zone" => 1266,
        "bit varying" => 1562,
        "citext" | "clob" | "string" => 25,
        "blob" => 17,
        _ => {
            return BUILT_IN
                .iter()
                .find(|row| row.name == name)
                .map(|row| row.oid);
        }
    })
}

/// Reads a type as it stands in a declaration, Postgres's (`character varying(10)`, `int4[]`,
/// `"numeric text"(30,10)` as [`declare`] writes it) or SQLite's (`INTEGER`, `DATETIME`).
/// A name of no built-in type: none.
#[must_use]
pub fn parse_name(declared: &str) -> Option<Type> {
    let declared = declared.trim();
    // SQLite's own: the specification's map. Postgres's `integer` is kept as `int4` by `declare`.
    match declared {
        "INTEGER" | "INT" => return Some(Type::INT8),
        "REAL" => return Some(Type::FLOAT8),
        _ => {}
    }
    let lower = declared.to_ascii_lowercase();
    let (mut name, mut rest) = match lower.find(['(', '[']) {
        Some(at) => (lower[..at].trim_end().to_owned(), &lower[at..]),
        None => (lower.clone(), ""),
    };
    let mut dimensions = 0;
    let mut modifiers: Vec<i32> = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            dimensions += 1;
            rest = after.split_once(']')?.1.trim_start();
        } else if let Some(after) = rest.strip_prefix('(') {
            let (inside, after) = after.split_once(')')?;
            for number in inside.split(',') {
                modifiers.push(number.trim().parse().ok()?);
            }
            rest = after.trim_start();
        } else {
            // `timestamp(3) with time zone`
            let end = rest.find(['(', '[']).unwrap_or(rest.len());
            name.push(' ');
            name.push_str(rest[..end].trim_end());
            rest = &rest[end..];
        }
    }
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    let mut bare = name.trim_end_matches(" text");
    if let Some(array) = bare.strip_prefix('_') {
        dimensions += 1;
        bare = array;
    }
    if bare.starts_with("interval ") {
        bare = "interval";
    }
    let mut oid = by_name(bare)?;
    if bare == "float" && matches!(modifiers.first(), Some(1..=24)) {
        oid = 700;
    }
    let modifier = modifier(oid, &modifiers);
    if dimensions > 0 {
        return Some(Type {
            oid: array_of(oid),
            modifier,
        });
    }
    Some(Type { oid, modifier })
}

/// `atttypmod` from what stands in parentheses.
#[must_use]
pub fn modifier(oid: Oid, numbers: &[i32]) -> i32 {
    match (oid, numbers) {
        (1042 | 1043, [length]) => length + 4,
        (1042, []) => 1 + 4,
        (1700, [precision]) => (precision << 16) + 4,
        (1700, [precision, scale]) => ((precision << 16) | (scale & 0x7ff)) + 4,
        (1083 | 1114 | 1184 | 1266 | 1560 | 1562, [number]) => *number,
        (1560, []) => 1,
        _ => -1,
    }
}

/// Precision and scale of a `numeric` modifier.
#[must_use]
pub fn precision_and_scale(modifier: i32) -> Option<(i32, i32)> {
    (modifier >= 4).then(|| {
        let packed = modifier - 4;
        // The scale has 11 bits and a sign.
        (packed >> 16 & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024)
    })
}

/// A modifier in parentheses: `(10,2)`.
fn modifier_text(oid: Oid, modifier: i32) -> String {
    if modifier < 0 {
        return String::new();
    }
    match oid {
        1042 | 1043 if modifier >= 4 => format!("({})", modifier - 4),
        1700 => {
            precision_and_scale(modifier).map_or_else(String::new, |(p, s)| format!("({p},{s})"))
        }
        1083 | 1114 | 1184 | 1266 | 1560 | 1562 => format!("({modifier})"),
        _ => String::new(),
    }
}

/// As `format_type(oid, modifier)` writes it: `character varying(10)`, `integer[]`. None where the
/// oid is not a built-in type's.
#[must_use]
pub fn format(ty: Type) -> Option<String> {
    if let Some(row) = built_in_of(ty.oid) {
        let modifier = modifier_text(ty.oid, ty.modifier);
        // `timestamp(3) without time zone`
        if !modifier.is_empty()
            && let Some((head, tail)) = row.display.split_once(' ')
            && matches!(ty.oid, 1083 | 1114 | 1184 | 1266)
        {
            return Some(format!("{head}{modifier} {tail}"));
        }
        return Some(match (ty.oid, ty.modifier) {
            (1042, -1) => "bpchar".to_owned(),
            _ => format!("{}{modifier}", row.display),
        });
    }
    let element = built_in_of(element_of(ty.oid)?)?;
    let element = format(Type {
        oid: element.oid,
        modifier: ty.modifier,
    })?;
    Some(format!("{element}[]"))
}

/// The declaration for SQLite's `CREATE TABLE`. `user` names a type that is not built in.
///
/// Types that lie as TEXT and whose values may look like numbers get the word `text` behind their
/// name, for its affinity: `jsonb text`, `numeric text(30,10)`.
#[must_use]
pub fn declare(ty: Type, user: Option<&str>) -> String {
    if let Some(row) = built_in_of(ty.oid) {
        let modifier = modifier_text(ty.oid, ty.modifier);
        let word = match ty.oid {
            1700 if !ty.is_native_numeric() => " text",
            114 | 142 | 194 | 3802 | 18 | 19 | 650 | 790 | 869 | 1560 | 1562 | 3614 | 3615
            | 4072 => " text",
            _ => "",
        };
        let name = if ty.oid == 18 { "\"char\"" } else { row.name };
        if ty.oid == 18 {
            // SQLite would take the quotes away, and `char` is another type.
            return "\"\"\"char\"\"\" text".to_owned();
        }
        return format!("{name}{word}{modifier}");
    }
    if let Some(element) = element_of(ty.oid) {
        let name = match built_in_of(element) {
            Some(row) => row.name.to_owned(),
            None => user.unwrap_or("text").to_owned(),
        };
        return format!("{name}[]{}", modifier_text(element, ty.modifier));
    }
    format!("{} text", user.unwrap_or("text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(BUILT_IN.windows(2).all(|pair| pair[0].oid < pair[1].oid));
    }

    #[test]
    fn declarations_come_back() {
        for text in [
            "int4",
            "int8",
            "int2",
            "bool",
            "varchar(10)",
            "bpchar(3)",
            "numeric(10,2)",
            "numeric text",
            "numeric text(30,10)",
            "timestamptz",
            "timestamp(3)",
            "jsonb text",
            "uuid",
            "text[]",
            "int4[]",
            "varchar[](5)",
            "float4",
            "float8",
            "interval",
            "bytea",
            "date",
            "time",
        ] {
            let ty = parse_name(text).unwrap();
            assert_eq!(declare(ty, None), text);
        }
    }

    #[test]
    fn names_of_others() {
        for (text, oid, modifier) in [
            ("INTEGER", 20, -1),
            ("integer", 23, -1),
            ("INT", 20, -1),
            ("REAL", 701, -1),
            ("BLOB", 17, -1),
            ("VARCHAR(160)", 1043, 164),
            ("NVARCHAR(20)", 1043, 24),
            ("DATETIME", 1114, -1),
            ("timestamp(3) with time zone", 1184, 3),
            ("character varying(4)[]", 1015, 8),
            ("double precision", 701, -1),
            ("NUMERIC(10,2)", 1700, (10 << 16) + 2 + 4),
            ("_text", 1009, -1),
        ] {
            assert_eq!(parse_name(text), Some(Type { oid, modifier }), "{text}");
        }
        assert_eq!(parse_name("mood"), None);
    }
}
