"""What an operator looks at and turns: which processes run, how everything stands, how much the logs say.

Light: the command line reads the levels from here.
"""

from typing import Literal

LevelName = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
