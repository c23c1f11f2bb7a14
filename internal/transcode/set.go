package transcode

// set is a set of fields of one message, by their index.
type set [maxFields / 64]uint64

// maxFields bounds the fields of a message, so that a set needs no memory of its
// own. The largest message of the API has 47.
const maxFields = 128

func (s *set) add(f *field)      { s[f.index/64] |= 1 << (f.index % 64) }
func (s *set) has(f *field) bool { return s[f.index/64]&(1<<(f.index%64)) != 0 }
