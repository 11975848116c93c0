"""What gunicorn serves: pages and API."""

from web import create_app
from wiring import assemble

app = create_app(assemble())
