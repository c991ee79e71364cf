-- A gateway from before revisions removes a module by deleting its row. It must not: the row has the
-- rules by which the module's pairs are measured, and a module that comes back without it would begin
-- with revision 1 again, which module_revision has already. Where that has happened, these rows go.
DELETE FROM module_revision r WHERE NOT EXISTS (SELECT FROM module m WHERE m.module_id = r.module_id);
ALTER TABLE module_revision ADD FOREIGN KEY (module_id) REFERENCES module (module_id);
