package index

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
	"strconv"

	"github.com/qdrant/go-client/qdrant"
)

var (
	// labelKeys are the payload keys of a chunk that copy its record's.
	labelKeys = []string{keyTags, keyMeta, keyACL, keyModified}
	// unsealed are the payload keys of a chunk that its checksum leaves out,
	// because they can be checked, and made again, from something else: the labels
	// from the record, the number of tokens from the text.
	unsealed = append([]string{keyTokens, keyMediaType}, labelKeys...)
)

// seal adds the checksum of what p holds, without the keys named.
func (p payload) seal(without ...string) payload {
	p[keySum] = qdrant.NewValueString(p.sum(without...))
	return p
}

// sum returns the first 16 hex digits of the SHA-256 of p, as digestString and
// digestValue write it. It is for finding damage, not for defence against forgery.
func (p payload) sum(without ...string) string {
	h := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(p)) {
		if key != keySum && !slices.Contains(without, key) {
			digestString(h, key)
			digestValue(h, p[key])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// only returns what p holds under the keys named.
func (p payload) only(keys ...string) payload {
	out := payload{}
	for _, key := range keys {
		if v, ok := p[key]; ok {
			out[key] = v
		}
	}
	return out
}

func digestString(h hash.Hash, s string) {
	digestNumber(h, 's', uint64(len(s)))
	h.Write([]byte(s))
}

func digestNumber(h hash.Hash, kind byte, n uint64) {
	h.Write(binary.LittleEndian.AppendUint64([]byte{kind}, n))
}

// digestValue writes v such that different values differ: each as its kind and
// its value, strings, lists and objects after their length, objects by key.
func digestValue(h hash.Hash, v *qdrant.Value) {
	switch k := v.GetKind().(type) {
	case *qdrant.Value_StringValue:
		digestString(h, k.StringValue)
	case *qdrant.Value_IntegerValue:
		digestNumber(h, 'i', uint64(k.IntegerValue))
	case *qdrant.Value_DoubleValue:
		// To nine digits: a server keeps payloads as JSON, and reads back a number
		// that may differ in the last of seventeen.
		digestNumber(h, 'd', 0)
		digestString(h, strconv.FormatFloat(k.DoubleValue, 'e', 8, 64))
	case *qdrant.Value_BoolValue:
		n := uint64(0)
		if k.BoolValue {
			n = 1
		}
		digestNumber(h, 'b', n)
	case *qdrant.Value_ListValue:
		digestNumber(h, 'l', uint64(len(k.ListValue.GetValues())))
		for _, e := range k.ListValue.GetValues() {
			digestValue(h, e)
		}
	case *qdrant.Value_StructValue:
		fields := k.StructValue.GetFields()
		digestNumber(h, 'o', uint64(len(fields)))
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			digestString(h, key)
			digestValue(h, fields[key])
		}
	default:
		digestNumber(h, 'n', 0)
	}
}
