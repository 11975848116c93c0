"""The command line: the database's state, people who sign in, backups, the API's document.

python -m web.cli db check | db migrate
python -m web.cli user list | add | disable
python -m web.cli backup | restore | drill
python -m web.cli openapi
"""

from web.cli.commands import main

if __name__ == "__main__":
    main()
