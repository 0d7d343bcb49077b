from fleet_metadata.cli import main

main()
