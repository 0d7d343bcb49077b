from ci_server.cli import main

main()
