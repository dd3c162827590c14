"""The main job in small: a detector trained on generated data, evaluated, drawn and exported."""
