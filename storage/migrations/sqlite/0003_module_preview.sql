-- Where a module's video can be played by who looks at its heatmap; empty: nowhere.
ALTER TABLE module ADD COLUMN preview_url TEXT NOT NULL DEFAULT '';
