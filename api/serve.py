"""The application that the server's processes load."""

from api import watching
from api.app import create_app
from models import log
from models.settings import load

settings = load()
log.configure(settings.log_level, "api")
watching.end_at_signal()
app = create_app(settings)
