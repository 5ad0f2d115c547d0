"`python -m weakse` is the command `weakse`."
from weakse.cli.main import main

if __name__ == '__main__':
    main()
