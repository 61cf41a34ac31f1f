"""What trainers of both stages share: settings, schedule, checkpoints, checks, name variants."""
