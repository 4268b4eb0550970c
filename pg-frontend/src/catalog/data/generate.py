#!/usr/bin/env python3
"""Writes the rows of PostgreSQL's own catalog that pg-frontend serves, from a fresh PostgreSQL 15.

    python3 generate.py "postgresql://postgres@127.0.0.1:5432/postgres"

Needs `psql` on the PATH. Each file: a line of column names, then rows, separated by tabs; `\\N` is NULL,
arrays and vectors are JSON. Facts about numbers and names only; no text of PostgreSQL's documentation but
the settings' one-line descriptions.
"""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent

# information_schema's domains, as clients see them in results.
BASE = """case when t.typtype = 'd' then t.typbasetype else a.atttypid end"""

# The reg* columns are written as numbers; 0 and NULL as they are.
QUERIES = {
    "relations": """
        select c.oid, c.relnamespace::regnamespace::text as nsp, relname, relkind
        from pg_class c where relnamespace in (11, 'information_schema'::regnamespace) and relkind in ('r', 'v')
        and relname not like '\\_pg\\_%' order by c.relnamespace::regnamespace::text desc, relname""",
    "columns": f"""
        select c.relnamespace::regnamespace::text as nsp, relname, attname, {BASE} as atttypid,
        attnotnull::int as attnotnull
        from pg_attribute a join pg_class c on c.oid = attrelid join pg_type t on t.oid = atttypid
        where relnamespace in (11, 'information_schema'::regnamespace) and relkind in ('r', 'v') and attnum > 0
        and relname not like '\\_pg\\_%' order by c.relnamespace::regnamespace::text desc, relname, attnum""",
    "pg_namespace": "select oid, nspname from pg_namespace where oid <> 2200 order by oid",
    "pg_type": """
        select oid, typname, typnamespace, typlen, typbyval, typtype, typcategory, typispreferred, typdelim,
        typsubscript::oid, typelem, typarray, typinput::oid, typoutput::oid, typreceive::oid, typsend::oid,
        typmodin::oid, typmodout::oid, typanalyze::oid, typalign, typstorage, typbasetype, typtypmod, typndims,
        typcollation from pg_type where typrelid = 0 and typelem not in (select oid from pg_type where typrelid <> 0)
        order by oid""",
    "pg_proc": """
        select oid, proname, pronamespace, prolang, procost, prorows, provariadic, prokind, proisstrict, proretset,
        provolatile, proparallel, pronargs, pronargdefaults, prorettype, to_json(proargtypes::oid[]::int8[]) as proargtypes,
        to_json(proallargtypes::int8[]) as proallargtypes, to_json(proargmodes) as proargmodes,
        to_json(proargnames) as proargnames, prosrc
        from pg_proc where prolang in (12, 13) order by oid""",
    "pg_aggregate": """
        select aggfnoid::oid, aggkind, aggnumdirectargs, aggtransfn::oid, aggfinalfn::oid, aggcombinefn::oid, aggtranstype,
        aggsortop, agginitval from pg_aggregate order by 1""",
    "pg_operator": """
        select oid, oprname, oprkind, oprcanmerge, oprcanhash, oprleft, oprright, oprresult, oprcom, oprnegate,
        oprcode::oid, oprrest::oid, oprjoin::oid from pg_operator order by oid""",
    "pg_cast": "select oid, castsource, casttarget, castfunc, castcontext, castmethod from pg_cast order by oid",
    "pg_opfamily": "select oid, opfmethod, opfname from pg_opfamily order by oid",
    "pg_opclass": """
        select oid, opcmethod, opcname, opcfamily, opcintype, opcdefault, opckeytype from pg_opclass order by oid""",
    "pg_amop": """
        select oid, amopfamily, amoplefttype, amoprighttype, amopstrategy, amoppurpose, amopopr, amopmethod,
        amopsortfamily from pg_amop order by oid""",
    "pg_amproc": """
        select oid, amprocfamily, amproclefttype, amprocrighttype, amprocnum, amproc::oid from pg_amproc order by oid""",
    "pg_am": "select oid, amname, amhandler::oid, amtype from pg_am order by oid",
    "pg_language": """
        select oid, lanname, lanpltrusted, lanispl, lanplcallfoid, laninline, lanvalidator
        from pg_language where lanname <> 'plpgsql' order by oid""",
    "pg_collation": """
        select oid, collname, collprovider, collisdeterministic, collencoding, collcollate, collctype
        from pg_collation where collname in ('default', 'C', 'POSIX', 'ucs_basic') order by oid""",
    "pg_range": """
        select rngtypid, rngsubtype, rngmultitypid, rngcollation, rngsubopc, rngcanonical::oid, rngsubdiff::oid
        from pg_range order by 1""",
    "pg_tablespace": "select oid, spcname from pg_tablespace order by oid",
    "pg_roles": "select oid, rolname from pg_roles where oid <> 10 order by oid",
    "pg_settings": """
        select name, boot_val as setting, unit, category, short_desc, context, vartype, min_val, max_val,
        to_json(enumvals) as enumvals, boot_val from pg_settings where category not in ('Developer Options', 'Customized Options')
        order by lower(name)""",
    "keywords": "select word, catcode, barelabel from pg_get_keywords() order by word",
    "pg_timezone_abbrevs": "select abbrev, utc_offset, is_dst from pg_timezone_abbrevs order by 1",
}


def main(url: str) -> None:
    for name, query in QUERIES.items():
        copy = f"copy ({query}) to stdout with (format text)"
        rows = subprocess.run(["psql", url, "-XAtqc", copy], check=True, capture_output=True, text=True).stdout
        head = subprocess.run(
            ["psql", url, "-XAqc", f"select * from ({query}) q limit 0"], check=True, capture_output=True, text=True
        ).stdout.splitlines()[0]
        (HERE / f"{name}.tsv").write_text(head.replace("|", "\t") + "\n" + rows)


if __name__ == "__main__":
    main(sys.argv[1])
