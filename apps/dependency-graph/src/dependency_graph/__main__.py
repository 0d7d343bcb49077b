from dependency_graph.cli import main

main()
