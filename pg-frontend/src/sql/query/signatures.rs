//! The functions that are called with values and give a value, one a line: name, argument types,
//! result type, and SQLite's function where it is not `pg_` before the name.
//!
//! `t` text, `h` int2, `i` int4, `I` int8, `n` numeric, `r` float4, `f` float8, `b` bool, `B` bytea, `d` date,
//! `T` time, `s` timestamp, `z` timestamptz, `v` interval, `u` uuid, `j` json, `J` jsonb, `o` oid, `k` name, `a`
//! anything, `A` an array, `e` its element, `x` text[], `c` int4[], `V` void, `R` regclass, `Y` regtype, `P` regproc, `M` regnamespace, `L` aclitem[], `N` inet, `w` anything
//! as text; `*` after a type: any number of these, `?`: may be missing.
//! A result `1` is the first argument's type, `A` and `e` the array's or its element's.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::types::Type;

/// A way to call a function.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) arguments: &'static [u8],
    pub(crate) result: u8,
    /// SQLite's function.
    pub(crate) target: String,
    pub(crate) required: usize,
    pub(crate) variadic: bool,
}

/// The type that a letter of the table names.
pub(crate) fn letter(code: u8) -> Option<Type> {
    Some(match code {
        b't' | b'w' => Type::TEXT,
        b'h' => Type::INT2,
        b'i' => Type::INT4,
        b'I' => Type::INT8,
        b'n' => Type::NUMERIC,
        b'r' => Type::FLOAT4,
        b'f' => Type::FLOAT8,
        b'b' => Type::BOOL,
        b'B' => Type::BYTEA,
        b'd' => Type::DATE,
        b'T' => Type::TIME,
        b's' => Type::TIMESTAMP,
        b'z' => Type::TIMESTAMPTZ,
        b'v' => Type::INTERVAL,
        b'u' => Type::UUID,
        b'j' => Type::JSON,
        b'J' => Type::JSONB,
        b'o' => Type::OID,
        b'k' => Type::NAME,
        b'x' => Type::TEXT_ARRAY,
        b'c' => Type::of(1007),
        b'V' => Type::VOID,
        b'R' => Type::REGCLASS,
        b'Y' => Type::REGTYPE,
        b'P' => Type::of(24),
        b'M' => Type::of(4089),
        b'L' => Type::of(1034),
        b'N' => Type::of(869),
        _ => return None,
    })
}

/// The ways to call a function of this name.
pub(crate) fn of(name: &str) -> Option<&'static [Signature]> {
    static TABLE: LazyLock<HashMap<&'static str, Vec<Signature>>> = LazyLock::new(read);
    TABLE.get(name).map(Vec::as_slice)
}

fn read() -> HashMap<&'static str, Vec<Signature>> {
    let mut out: HashMap<&'static str, Vec<Signature>> = HashMap::new();
    for entry in FUNCTIONS.split_ascii_whitespace() {
        let (Some((name, rest)), target) = (
            entry.split_once('('),
            entry.split_once('>').map(|(_, target)| target),
        ) else {
            continue;
        };
        let Some((arguments, result)) = rest.split_once(')') else {
            continue;
        };
        let variadic = arguments.ends_with('*');
        let required = arguments
            .find('?')
            .map_or(arguments.trim_end_matches('*').len(), |at| at - 1);
        let arguments: &'static [u8] = Box::leak(
            arguments
                .replace(['?', '*'], "")
                .into_bytes()
                .into_boxed_slice(),
        );
        let target = match target {
            Some(target) => target.to_owned(),
            None if name.starts_with("pg_") => name.to_owned(),
            None => format!("pg_{name}"),
        };
        out.entry(name).or_default().push(Signature {
            arguments,
            result: result.as_bytes().first().copied().unwrap_or(b't'),
            target,
            required: if variadic {
                arguments.len() - 1
            } else {
                required
            },
            variadic,
        });
    }
    out
}

const FUNCTIONS: &str = "
upper(t)t lower(t)t initcap(t)t length(t)i char_length(t)i>pg_length character_length(t)i>pg_length
length(B)i>pg_octet_length octet_length(B)i octet_length(t)i bit_length(t)i bit_length(B)i
substr(tii?)t substring(tii?)t>pg_substr substring(tt)t>pg_substring_regex substring(ttt)t>pg_substring_similar
substr(Bii?)B>pg_substr_bytes substring(Bii?)B>pg_substr_bytes
left(ti)t right(ti)t lpad(tit?)t rpad(tit?)t repeat(ti)t reverse(t)t replace(ttt)t translate(ttt)t
btrim(tt?)t ltrim(tt?)t rtrim(tt?)t trim(tt?)t>pg_btrim btrim(BB)B>pg_btrim_bytes
strpos(tt)i position(tt)i>pg_strpos_turned strpos(BB)i>pg_strpos_bytes overlay(ttii?)t split_part(tti)t starts_with(tt)b
concat(w*)t concat_ws(tw*)t format(tw*)t quote_ident(t)t quote_literal(w)t quote_nullable(w)t
chr(i)t ascii(t)i md5(t)t md5(B)t>pg_md5 sha224(B)B sha256(B)B sha384(B)B sha512(B)B encode(Bt)t decode(tt)B
to_hex(I)t to_ascii(t)t unistr(t)t normalize(t)t>pg_same
get_byte(Bi)i set_byte(Bii)B convert_from(Bt)t convert_to(tt)B
regexp_replace(tttt?)t regexp_match(ttt?)x regexp_split_to_array(ttt?)x regexp_like(ttt?)b regexp_count(ttit?)i regexp_substr(tt)t regexp_instr(tt)i
string_to_array(ttt?)x array_to_string(Att?)t parse_ident(tb?)x text(w)t>pg_same varchar(w)t>pg_same

abs(n)n>pg_numeric_abs abs(f)f>abs abs(i)i>pg_abs abs(I)I>pg_abs abs(h)h>pg_abs
ceil(n)n>pg_numeric_ceil ceiling(n)n>pg_numeric_ceil ceil(f)f>ceil ceiling(f)f>ceil
floor(n)n>pg_numeric_floor floor(f)f>floor round(ni)n>pg_numeric_round round(n)n>pg_numeric_round round(f)f>pg_round
trunc(ni)n>pg_numeric_trunc trunc(n)n>pg_numeric_trunc trunc(f)f>trunc sign(n)n>pg_numeric_sign sign(f)f>pg_sign
mod(ii)i>pg_mod mod(II)I>pg_mod mod(hh)h>pg_mod mod(nn)n>pg_numeric_mod div(nn)n>pg_numeric_div_trunc
sqrt(n)n>pg_numeric_sqrt sqrt(f)f cbrt(f)f exp(n)n>pg_numeric_exp exp(f)f ln(n)n>pg_numeric_ln ln(f)f log(n)n>pg_numeric_log log(f)f>pg_log10
log10(n)n>pg_numeric_log log10(f)f log(nn)n>pg_numeric_log_base power(nn)n>pg_numeric_power power(ff)f pow(nn)n>pg_numeric_power pow(ff)f>pg_power
factorial(I)n gcd(ii)i gcd(II)I lcm(ii)i lcm(II)I scale(n)i min_scale(n)i trim_scale(n)n width_bucket(nnni)i>pg_width_bucket width_bucket(fffi)i>pg_width_bucket
sin(f)f>sin cos(f)f>cos tan(f)f>tan cot(f)f asin(f)f>pg_asin acos(f)f>pg_acos atan(f)f>atan atan2(ff)f>atan2 sinh(f)f>sinh cosh(f)f>cosh tanh(f)f>tanh
asinh(f)f>asinh acosh(f)f>acosh atanh(f)f>atanh degrees(f)f>degrees radians(f)f>radians pi()f>pi random()f setseed(f)V

now()z transaction_timestamp()z>pg_now current_timestamp()z>pg_now current_timestamp(i)z>pg_now statement_timestamp()z clock_timestamp()z timeofday()t
current_date()d localtimestamp()s localtimestamp(i)s>pg_localtimestamp localtime()T current_time()T>pg_localtime
age(zz)v>pg_age age(ss)v>pg_age age(z)v>pg_age_today age(s)v>pg_age_today date_trunc(ts)s date_trunc(tz)z>pg_date_trunc_tz date_trunc(tzt)z>pg_date_trunc_tz date_trunc(tv)v>pg_interval_trunc
date_bin(vss)s date_bin(vzz)z
make_date(iii)d make_time(iif)T make_timestamp(iiiiif)s make_timestamptz(iiiiift?)z 
to_char(st)t>pg_to_char_time to_char(zt)t>pg_to_char_timetz to_char(vt)t>pg_to_char_interval to_char(nt)t>pg_to_char_number to_char(It)t>pg_to_char_number to_char(it)t>pg_to_char_number to_char(ft)t>pg_to_char_number
to_timestamp(tt)z to_timestamp(f)z>pg_to_timestamp_epoch to_date(tt)d to_number(tt)n
justify_days(v)v justify_hours(v)v justify_interval(v)v isfinite(s)b isfinite(z)b>pg_isfinite isfinite(d)b>pg_isfinite isfinite(v)b>pg_interval_finite
timezone(ts)z>pg_zone_to_utc_turned timezone(tz)s>pg_zone_from_utc_turned date(s)d>pg_date_of date(z)d>pg_date_of

to_json(a)j to_jsonb(a)J row_to_json(a)j array_to_json(a)j
json_array_length(j)i>pg_json_array_length jsonb_array_length(J)i>pg_json_array_length json_typeof(j)t>pg_json_typeof jsonb_typeof(J)t>pg_json_typeof
json_strip_nulls(j)j>pg_json_strip_nulls jsonb_strip_nulls(J)J>pg_jsonb_strip_nulls jsonb_pretty(J)t
jsonb_set(JxJb?)J jsonb_insert(JxJb?)J json_object(xx?)j jsonb_object(xx?)J
json_extract_path(jt*)j jsonb_extract_path(Jt*)J>pg_json_extract_path json_extract_path_text(jt*)t jsonb_extract_path_text(Jt*)t>pg_json_extract_path_text
jsonb_path_exists(Jt)b jsonb_path_query_first(Jt)J jsonb_path_query_array(Jt)J

array_length(Ai)i array_upper(Ai)i>pg_array_length array_lower(Ai)i array_ndims(A)i cardinality(A)i array_dims(A)t
array_append(Ae)A array_prepend(eA)A array_cat(AA)A array_position(Aei?)i array_positions(Ae)c array_remove(Ae)A array_replace(Aee)A array_fill(ec)A trim_array(Ai)A

gen_random_uuid()u uuid_generate_v4()u>pg_gen_random_uuid version()t current_user()k session_user()k>pg_current_user user()k>pg_current_user current_role()k>pg_current_user
current_database()k current_catalog()k>pg_current_database current_schema()k pg_backend_pid()i
current_setting(tb?)t set_config(ttb)t pg_sleep(f)V txid_current()I pg_current_xact_id()I>pg_txid_current txid_current_if_assigned()I>pg_txid_current
pg_is_in_recovery()b pg_postmaster_start_time()z pg_conf_load_time()z pg_notify(tt)V pg_cancel_backend(i)b pg_terminate_backend(i)b
pg_advisory_lock(I)V pg_advisory_lock(ii)V pg_advisory_xact_lock(I)V pg_advisory_xact_lock(ii)V pg_advisory_lock_shared(I)V pg_advisory_xact_lock_shared(I)V pg_try_advisory_lock(I)b pg_try_advisory_lock(ii)b
pg_try_advisory_xact_lock(I)b pg_try_advisory_xact_lock(ii)b pg_advisory_unlock(I)b pg_advisory_unlock(ii)b pg_advisory_unlock_shared(I)b pg_advisory_unlock_all()V
inet_server_addr()t inet_client_addr()t inet_server_port()i inet_client_port()i num_nulls(w*)i num_nonnulls(w*)i
nextval(t)I currval(t)I lastval()I setval(tIb?)I pg_get_serial_sequence(tt)t
pg_column_size(a)i pg_size_pretty(I)t pg_client_encoding()k
host(N)t>pg_inet_host enum_range(a)A enum_first(a)1 enum_last(a)1

format_type(oi)t>format_type pg_get_expr(toi?)t>pg_get_expr pg_get_expr(tob?)t>pg_get_expr pg_get_indexdef(oib?)t pg_get_indexdef(o)t pg_get_constraintdef(ob?)t pg_get_viewdef(ob?)t pg_get_viewdef(tb?)t pg_get_viewdef(oi)t
pg_get_triggerdef(ob?)t pg_get_ruledef(ob?)t pg_get_functiondef(o)t pg_get_function_arguments(o)t pg_get_function_identity_arguments(o)t pg_get_function_result(o)t pg_get_function_arg_default(oi)t
pg_get_partkeydef(o)t pg_get_partition_constraintdef(o)t pg_get_statisticsobjdef(o)t pg_get_statisticsobjdef_columns(o)t pg_get_userbyid(o)k pg_encoding_to_char(i)k pg_char_to_encoding(t)i
pg_table_is_visible(o)b pg_type_is_visible(o)b pg_function_is_visible(o)b pg_operator_is_visible(o)b pg_opclass_is_visible(o)b pg_collation_is_visible(o)b pg_opfamily_is_visible(o)b pg_conversion_is_visible(o)b pg_ts_config_is_visible(o)b pg_ts_dict_is_visible(o)b pg_ts_parser_is_visible(o)b pg_ts_template_is_visible(o)b pg_statistics_obj_is_visible(o)b
obj_description(ot)t>obj_description obj_description(o)t>obj_description col_description(oi)t>col_description shobj_description(ot)t>shobj_description
pg_relation_size(R)I pg_relation_size(Rt)I pg_total_relation_size(R)I pg_table_size(R)I pg_indexes_size(R)I pg_database_size(t)I pg_database_size(o)I pg_tablespace_size(t)I
pg_relation_is_publishable(R)b pg_relation_filenode(R)o pg_relation_is_updatable(Rb)i pg_tablespace_location(o)t pg_tablespace_databases(o)o
has_table_privilege(tt)b>has_table_privilege has_table_privilege(ot)b>has_table_privilege has_table_privilege(ttt)b>has_table_privilege has_table_privilege(tot)b>has_table_privilege
has_schema_privilege(tt)b>has_schema_privilege has_schema_privilege(ot)b>has_schema_privilege has_schema_privilege(ttt)b>has_schema_privilege has_schema_privilege(tot)b>has_schema_privilege
has_column_privilege(ttt)b>has_column_privilege has_column_privilege(oit)b>has_column_privilege has_column_privilege(ott)b>has_column_privilege has_any_column_privilege(tt)b>has_any_column_privilege has_any_column_privilege(ot)b>has_any_column_privilege has_any_column_privilege(tot)b>has_any_column_privilege
has_database_privilege(tt)b>has_database_privilege has_database_privilege(ot)b>has_database_privilege has_database_privilege(ttt)b>has_database_privilege has_function_privilege(ot)b>has_function_privilege has_sequence_privilege(ot)b>has_sequence_privilege has_sequence_privilege(tt)b>has_sequence_privilege has_type_privilege(ot)b>has_type_privilege has_tablespace_privilege(tt)b>has_tablespace_privilege has_language_privilege(ot)b>has_language_privilege
pg_has_role(tt)b pg_has_role(ot)b pg_has_role(tot)b pg_has_role(oot)b row_security_active(o)b>row_security_active
to_regclass(t)R>pg_to_regclass to_regtype(t)Y>pg_to_regtype to_regproc(t)P to_regnamespace(t)M to_regrole(t)o pg_stat_get_numscans(o)I pg_stat_get_live_tuples(o)I pg_stat_get_tuples_inserted(o)I pg_my_temp_schema()o pg_is_other_temp_schema(o)b
pg_get_replica_identity_index(o)o pg_sequence_last_value(R)I pg_is_wal_replay_paused()b pg_describe_object(ooi)t pg_identify_object(ooi)t
quote_ident(k)t acldefault(to)L>acldefault getdatabaseencoding()k array_in(a)t pg_index_column_has_property(oit)b pg_indexam_has_property(ot)b pg_index_has_property(ot)b pg_jit_available()b
";
