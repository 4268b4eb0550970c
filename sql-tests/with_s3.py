"""Runs PROGRAM with a work directory and the URI parameters of a fresh S3 database server, and ends the server.

    with_s3.py PROGRAM
"""

import os
import subprocess
import sys
import tempfile
import urllib.parse
from pathlib import Path

from support.servers import S3Gate
from support.stores import S3Store

with tempfile.TemporaryDirectory(prefix="sqlbridge-bench-") as work:
    os.environ["SQLBRIDGE_CACHE_DIR"] = f"{work}/cache"
    server = S3Gate(Path(work))
    try:
        store = S3Store(server, "bench/databases")
        options = {k: v for k, v in store.options.items() if k != "max_staleness"}
        parameters = urllib.parse.urlencode({"store": store.url, **options}, safe="/:")
        sys.exit(subprocess.run([sys.argv[1], work, parameters]).returncode)
    finally:
        server.stop()
