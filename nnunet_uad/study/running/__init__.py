"""From ``study.json`` to results: the workflow, its jobs, the commands they run, the scores they leave."""
