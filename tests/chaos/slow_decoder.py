"""A decoder for which some content is slow: it computes for as many seconds as such a file says at its end."""

import re
import time
from pathlib import Path

from pipeline.media.decoder import main, perform
from pipeline.media.protocol import DecodeTask, Done, Inspect

SLOW = re.compile(rb"SLOW(\d+)$")


def behave(task: DecodeTask) -> Done:
    source = Path(task.path if isinstance(task, Inspect) else task.source)
    if slow := SLOW.search(source.read_bytes()):
        end = time.process_time() + int(slow[1])
        while time.process_time() < end:
            pass
    return perform(task)


if __name__ == "__main__":
    main(behave)
