from ci_client.cli import main

main()
