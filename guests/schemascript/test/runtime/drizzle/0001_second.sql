PRAGMA foreign_keys=OFF;--> statement-breakpoint
ALTER TABLE `people` ADD `age` integer;--> statement-breakpoint
PRAGMA foreign_keys=ON;
