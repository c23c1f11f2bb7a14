package simulator

import (
	"path"
	"strconv"
	"strings"
)

// The size limits of files in bytes (/features/files: 10 MB, 2 GB for video),
// read as binary units.
const (
	fileLimit  = 10 << 20
	videoLimit = 2 << 30
)

// createFileUploadURL signs a URL of the simulator's own storage. A checksum is
// given back as S3 wants it, in base64; hexadecimal digits are converted.
func (c *call) createFileUploadURL() (any, error) {
	if err := c.check(
		field{name: "file_name", required: true}, field{name: "file_type", required: true}, field{name: "file_size", kind: isInteger, required: true},
		field{name: "workspace_id", required: true}, field{name: "checksum"}, field{name: "folder_id"},
	); err != nil {
		return nil, err
	}
	workspace, err := c.workspace()
	if err != nil {
		return nil, err
	}
	if _, err := c.folderOf(); err != nil {
		return nil, err
	}
	u := &upload{
		token: c.s.state.ids.next("", 32), expires: c.now.Add(uploadLife),
		size: integral(c.body, "file_size"), mime: text(c.body, "file_type"),
	}
	if err := fits(u.size, u.mime); err != nil {
		return nil, err
	}
	headers := object{"Content-Type": u.mime}
	if checksum := text(c.body, "checksum"); checksum != "" {
		sum, ok := digest(checksum)
		if !ok {
			return nil, invalid("checksum", "The checksum is no SHA-256 in base64 or hexadecimal digits.")
		}
		u.checksum, headers["x-amz-checksum-sha256"] = sum, sum
	}
	name := safeName(text(c.body, "file_name"))
	key := workspace + "/" + c.id("") + "-" + name
	c.s.state.uploads[key] = u
	public := c.host + storagePath + key
	body := object{"name": text(c.body, "file_name"), "type": u.mime, "url": public, "workspace_id": workspace, "file_size": u.size}
	merge(body, c.body, "folder_id")
	return object{
		"object": "upload_url", "upload_url": public + "?token=" + u.token + "&expires=" + strconv.FormatInt(c.wall.Add(uploadLife).Unix(), 10),
		"public_url": public, "key": key, "expires_in": int(uploadLife.Seconds()), "method": "PUT", "headers": headers,
		"next_step": object{"description": "Register the file after the upload.", "endpoint": "POST /files", "body": body},
	}, nil
}

// fits checks a size against the limits.
func fits(size int64, mime string) error {
	limit := int64(fileLimit)
	if strings.HasPrefix(mime, "video/") {
		limit = videoLimit
	}
	if size < 1 || size > limit {
		return invalid("file_size", "The file is empty or too large.")
	}
	return nil
}

// safeName keeps of a file name what needs no escaping in a URL.
func safeName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, path.Base(name))
	return strings.TrimLeft(name, ".")
}

// folderOf returns the folder that the body names, nil for none.
func (c *call) folderOf() (*record, error) {
	id := text(c.body, "folder_id")
	if id == "" {
		return nil, nil //nolint:nilnil // No folder is no mistake.
	}
	if r := c.s.state.folders.byID[id]; r != nil {
		return r, nil
	}
	return nil, notFound("folder_id")
}

// showFile is a file with its folder.
func (c *call) showFile(r *record) object {
	out := with(r.doc, object{"folder": nil})
	if f := c.s.state.folders.byID[text(r.doc, "folder_id")]; f != nil {
		out["folder"] = object{"id": f.id, "name": f.doc["name"]}
	}
	return out
}

func (c *call) listFiles() (any, error) {
	favorite, err := c.boolean("is_favorite", false)
	if err != nil {
		return nil, err
	}
	workspace, folder, mime, search := c.query("workspace_id"), c.query("folder_id"), c.query("type"), c.query("search")
	return c.cursorPage(c.s.state.files, true, func(r *record) bool {
		return only(r, workspace) && (folder == "" || text(r.doc, "folder_id") == folder) && strings.HasPrefix(text(r.doc, "type"), mime) &&
			(!favorite || boolean(r.doc, "is_favorite")) && matches(text(r.doc, "name"), search)
	}, c.showFile)
}

// createFile registers a file. A URL of the simulator's own storage must have
// been uploaded, with the size that is named.
func (c *call) createFile() (any, error) {
	if err := c.check(
		field{name: "name", required: true}, field{name: "type", required: true}, field{name: "url", kind: isURL, required: true},
		field{name: "workspace_id", required: true}, field{name: "file_size", kind: isInteger, required: true},
		field{name: "folder_id"}, field{name: "metadata", kind: isObject},
	); err != nil {
		return nil, err
	}
	workspace, err := c.workspace()
	if err != nil {
		return nil, err
	}
	folder, err := c.folderOf()
	if err != nil {
		return nil, err
	}
	size := integral(c.body, "file_size")
	if err := fits(size, text(c.body, "type")); err != nil {
		return nil, err
	}
	if key, ok := strings.CutPrefix(text(c.body, "url"), c.host+storagePath); ok {
		switch u := c.s.state.uploads[key]; {
		case u == nil || !u.stored:
			return nil, invalid("url", "Nothing was uploaded there.")
		case u.size != size:
			return nil, invalid("file_size", "The uploaded file has another size.")
		}
	}
	doc := object{
		"id": c.id("file_"), "object": "file", "size": size, "source": "upload", "workspace_id": workspace, "folder_id": nil,
		"thumbnail_url": nil, "metadata": nil, "is_favorite": false, "created_at": iso(c.wall), "updated_at": iso(c.wall),
	}
	merge(doc, c.body, "name", "type", "url", "metadata")
	if folder != nil {
		doc["folder_id"] = folder.id
	}
	return c.showFile(c.s.state.files.add(&record{id: text(doc, "id"), owner: c.key, created: c.wall, updated: c.wall, doc: doc})), nil
}

func (c *call) getFile() (any, error) {
	r, err := c.s.state.files.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	return c.showFile(r), nil
}

func (c *call) deleteFile() (any, error) { return c.drop(c.s.state.files, c.path["id"], "file") }

func (c *call) toggleFileFavorite() (any, error) {
	return c.toggle(c.s.state.files, "file")
}

// toggle flips the favourite flag.
func (c *call) toggle(t *table, kind string) (any, error) {
	r, err := t.find(c.path["id"])
	if err != nil {
		return nil, err
	}
	r.doc["is_favorite"] = !boolean(r.doc, "is_favorite")
	return object{"id": r.id, "object": kind, "is_favorite": r.doc["is_favorite"]}, nil
}
