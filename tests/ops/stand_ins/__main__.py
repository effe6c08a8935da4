"""The supervisor over the stand-ins."""

import sys

from ops import stack
from ops.stack import Plan, Program

PLAN = Plan(
    migrations=Program("stand_ins.migrations"),
    programs=(Program("stand_ins.api"), Program("stand_ins.worker")),
    seed=Program("stand_ins.seed"),
)

if __name__ == "__main__":
    sys.exit(stack.main(PLAN))
