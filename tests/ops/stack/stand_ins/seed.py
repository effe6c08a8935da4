"""Says that it sows; fails where it is told to."""

import os
import sys

print("sowing into", os.environ["EPISODES_HOME"])
sys.exit(1 if os.environ.get("FAIL_SEED") else 0)
