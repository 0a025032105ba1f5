"""What joins the rooms: data directory to archive, text to targets, archive to hypotheses. Commands call these."""
