"""The application that the server's processes load."""

import gc

from api import shutdown
from api.app import create_app
from models import log, process, process_privacy
from models.settings import load

process_privacy.conceal()
settings = load()
log.configure(settings.log_level, "api")
shutdown.listen()
with process.starting():
    app = create_app(settings)

# What is here now stays for good: the collector need not look at it again, nor at the rest as often as by default.
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 20, 50)
