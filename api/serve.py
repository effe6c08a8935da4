"""The application that the server's processes load."""

import gc

from api import stopping
from api.app import create_app
from models import log, privacy, program
from models.settings import load

privacy.conceal()
settings = load()
log.configure(settings.log_level, "api")
stopping.listen()
with program.starting():
    app = create_app(settings)

# What is here now stays for good: the collector need not look at it again, nor at the rest as often as by default.
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 20, 50)
