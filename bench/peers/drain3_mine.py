"""Drain3 with its default settings over a file: prints {lines, patterns} as JSON."""

import json
import sys

from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig

miner = TemplateMiner(config=TemplateMinerConfig())
lines = 0
with open(sys.argv[1], encoding="latin-1") as log:
    for line in log:
        miner.add_log_message(line.rstrip("\n"))
        lines += 1
print(json.dumps({"lines": lines, "patterns": len(miner.drain.clusters)}))
