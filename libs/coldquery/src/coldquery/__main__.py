from coldquery.cli import main

main()
