"""The supervisor over the stand-ins."""

import sys

from ops.stack.__main__ import Plan, Program, main

PLAN = Plan(
    migrations=Program("stand_ins.migrations"),
    programs=(Program("stand_ins.api"), Program("stand_ins.worker")),
    seed=Program("stand_ins.seed"),
)

if __name__ == "__main__":
    sys.exit(main(PLAN))
