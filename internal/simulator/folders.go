package simulator

// showFolder is a folder with the number of its files.
func (c *call) showFolder(r *record) object {
	n := len(c.s.state.files.newest(func(f *record) bool { return text(f.doc, "folder_id") == r.id }))
	return with(r.doc, object{"file_count": n, "updated_at": iso(r.updated)})
}

func (c *call) listFolders() (any, error) {
	workspace, search := c.query("workspace_id"), c.query("search")
	if workspace == "" {
		return nil, missing("workspace_id")
	}
	favorite, err := c.boolean("is_favorite", false)
	if err != nil {
		return nil, err
	}
	return c.cursorPage(c.s.state.folders, true, func(r *record) bool {
		return only(r, workspace) && (!favorite || boolean(r.doc, "is_favorite")) && matches(text(r.doc, "name"), search)
	}, c.showFolder)
}

func (c *call) createFolder() (any, error) {
	if err := c.check(field{name: "name", required: true}, field{name: "workspace_id", required: true}); err != nil {
		return nil, err
	}
	workspace, err := c.workspace()
	if err != nil {
		return nil, err
	}
	doc := object{
		"id": c.id("folder_"), "object": "folder", "name": c.body["name"], "workspace_id": workspace, "is_shared": true,
		"is_favorite": false, "created_at": iso(c.wall),
	}
	return c.showFolder(c.s.state.folders.add(&record{id: text(doc, "id"), owner: c.key, created: c.wall, updated: c.wall, doc: doc})), nil
}

// getFolder shows a folder with one page of its files.
func (c *call) getFolder() (any, error) {
	r, err := c.s.state.folders.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	include, err := c.boolean("include_files", true)
	if err != nil {
		return nil, err
	}
	out := c.showFolder(r)
	if include {
		if out["files"], err = c.cursorPage(c.s.state.files, true, func(f *record) bool { return text(f.doc, "folder_id") == r.id }, c.showFile); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *call) updateFolder() (any, error) {
	r, err := c.s.state.folders.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	if err := c.check(field{name: "name", min: 1}); err != nil {
		return nil, err
	}
	merge(r.doc, c.body, "name")
	r.updated = c.wall
	return c.showFolder(r), nil
}

// deleteFolder keeps the files of the folder, outside any folder.
func (c *call) deleteFolder() (any, error) {
	receipt, err := c.drop(c.s.state.folders, c.path["id"], "folder")
	if err != nil {
		return nil, err
	}
	for _, f := range c.s.state.files.order {
		if text(f.doc, "folder_id") == c.path["id"] {
			f.doc["folder_id"] = nil
		}
	}
	return receipt, nil
}

func (c *call) toggleFolderFavorite() (any, error) {
	return c.toggle(c.s.state.folders, "folder")
}
