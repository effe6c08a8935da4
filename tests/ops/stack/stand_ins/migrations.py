"""Migrates nothing, and fails where it is told to."""

import os
import sys

print("migrating", os.environ["DATABASE_URL"].split("@")[1])
sys.exit(os.environ.get("FAIL_MIGRATIONS"))
