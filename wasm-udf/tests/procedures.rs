//! Modules, definitions and values of strangers.

#![allow(clippy::expect_used, unreachable_pub, reason = "tests")]

mod procedure_invariants;

use proptest::prelude::*;

const MODULE: &str = r#"(module
  (import "sqlbridge" "null" (func $null))
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "sqlbridge_alloc") (param i32) (result i32) i32.const 8)
  (func (export "f") (param i32 i32 i32) (result i64) call $null i64.const 0)
  (func (export "f_init") (result i32) i32.const 0)
  (func (export "f_step") (param i32 f64))
  (func (export "f_final") (param i32) (result f64) f64.const 0)
  (func (export "f_open") (result i32) i32.const 0)
  (func (export "f_next") (param i32) (result i64) i64.const 0))"#;

const DEFINITION: &str = r#"{"kind":"scalar","params":[{"name":"a","data_type":"INT","nullable":true}],"return_type":"TEXT","memory":"1MB","timeout":"5s","sql":"read","replace":true}"#;

const OPTIONS: &str = r#"{"args":["a"],"env":{"A":"b"},"stdin":"x","memory":"1MB","timeout":"5s","sql":"read","instances":2}"#;
const ARGUMENTS: &str =
    "module=app, memory='1MB' ,timeout=5s,args=[],env={},sql=none,instances=2,clock=off,output=5";

#[test]
fn the_module_itself_is_one() {
    let module = wat::parse_str(MODULE).expect("a module");
    procedure_invariants::module(&module);
    let nothing = sqlbridge_wasm_udf::signature::Signature::default();
    assert_eq!(
        sqlbridge_wasm_udf::check("f_final", &module, &nothing),
        Ok(())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damaged_modules_are_taken_or_refused(
        cut in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut module = wat::parse_str(MODULE).expect("a module");
        for (at, byte) in damage {
            let at = at.index(module.len());
            module[at] = byte;
        }
        if cut.index(3) == 0 {
            module.truncate(cut.index(module.len()));
        }
        procedure_invariants::module(&module);
    }

    #[test]
    fn damaged_definitions_are_taken_or_refused(
        cut in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 0..3),
    ) {
        let mut text: Vec<char> = DEFINITION.chars().collect();
        for (at, character) in damage {
            let at = at.index(text.len());
            text[at] = character;
        }
        if cut.index(3) == 0 {
            text.truncate(cut.index(text.len()));
        }
        procedure_invariants::definition(&text.into_iter().collect::<String>());
    }

    #[test]
    fn damaged_options_are_taken_or_refused(
        json in any::<bool>(),
        cut in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 0..3),
    ) {
        let whole = if json { OPTIONS } else { ARGUMENTS };
        let mut text: Vec<char> = whole.chars().collect();
        for (at, character) in damage {
            let at = at.index(text.len());
            text[at] = character;
        }
        if cut.index(3) == 0 {
            text.truncate(cut.index(text.len()));
        }
        procedure_invariants::options(&text.into_iter().collect::<String>());
    }

    #[test]
    fn any_bytes_are_values_up_to_somewhere(bytes in any::<Vec<u8>>()) {
        procedure_invariants::values(&bytes);
    }
}
