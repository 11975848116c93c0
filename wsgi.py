"""What gunicorn serves: the pages and the API, or the live events, as the process is named."""

from core.config import process_name
from web import create_app
from wiring import assemble

app = create_app(assemble(process=process_name()).hear())
