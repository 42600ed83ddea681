"""run_pycachesim.py SETTINGS TRACE: the counters of pycachesim's caches after a trace, as JSON.

SETTINGS is JSON: "caches" has "icache", "dcache", "l2" and maybe "l3", each with "sets", "ways" and "line_bytes";
"policy" is of all of them; "stores" is "back" or "through" (which does not allocate), of the data cache. TRACE is a
file of 64-bit little-endian numbers: an address times 4, plus 0 for a load, 1 for a store, 2 for a fetch.
"""

import json
import struct
import sys

from cachesim import Cache

settings = json.loads(sys.argv[1])
with open(sys.argv[2], "rb") as file:
    trace = file.read()


def cache(name, below, **more):
    shape = settings["caches"][name]
    return Cache(name, shape["sets"], shape["ways"], shape["line_bytes"], settings["policy"],
                 load_from=below, store_to=below, **more)


l3 = cache("l3", None) if "l3" in settings["caches"] else None
l2 = cache("l2", l3)
icache = cache("icache", l2)
is_back = settings["stores"] == "back"
dcache = cache("dcache", l2, write_back=is_back, write_allocate=is_back)

load, store, fetch = dcache.backend.load, dcache.backend.store, icache.backend.load
for (word,) in struct.iter_unpack("<Q", trace):
    address, kind = word >> 2, word & 3
    if kind == 2:
        fetch(address)
    elif kind == 0:
        load(address)
    else:
        if is_back:
            # Its stores are no use of a line that is there. A load before is, and fills the line if it is not.
            load(address)
        store(address)

levels = [level for level in (icache, dcache, l2, l3) if level is not None]
json.dump({level.name: level.stats() for level in levels}, sys.stdout)
