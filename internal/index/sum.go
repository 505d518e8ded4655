package index

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
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

// checkRecord reports whether the stored payload that r was decoded from should
// have a checksum, and whether it is not that of again, which r would be stored
// as. What an older version stored has none, and is believed.
func checkRecord(stored map[string]*qdrant.Value, r Record, again payload) (sealed, altered bool) {
	sum, sealed := stored[keySum]
	sealed = sealed || r.TextSHA256 != ""
	return sealed, sealed && sum.GetStringValue() != again.sum()
}

// sum returns the first 16 hex digits of the SHA-256 of p, as appendString and
// appendValue write it. It is for finding damage, not for defence against forgery.
func (p payload) sum(without ...string) string {
	var names [32]string
	keys := names[:0]
	for key := range p {
		if key != keySum && !slices.Contains(without, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	b := make([]byte, 0, 4<<10)
	for _, key := range keys {
		b = appendValue(appendString(b, key), p[key])
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8])
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

func appendString(b []byte, s string) []byte {
	return append(appendNumber(b, 's', uint64(len(s))), s...)
}

func appendNumber(b []byte, kind byte, n uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(b, kind), n)
}

// appendValue writes v such that different values differ: each as its kind and
// its value, strings, lists and objects after their length, objects by key.
func appendValue(b []byte, v *qdrant.Value) []byte {
	switch k := v.GetKind().(type) {
	case *qdrant.Value_StringValue:
		b = appendString(b, k.StringValue)
	case *qdrant.Value_IntegerValue:
		b = appendNumber(b, 'i', uint64(k.IntegerValue))
	case *qdrant.Value_DoubleValue:
		// To nine digits: a server keeps payloads as JSON, and reads back a number
		// that may differ in the last of seventeen.
		b = appendNumber(b, 'd', 0)
		b = appendString(b, strconv.FormatFloat(k.DoubleValue, 'e', 8, 64))
	case *qdrant.Value_BoolValue:
		n := uint64(0)
		if k.BoolValue {
			n = 1
		}
		b = appendNumber(b, 'b', n)
	case *qdrant.Value_ListValue:
		b = appendNumber(b, 'l', uint64(len(k.ListValue.GetValues())))
		for _, e := range k.ListValue.GetValues() {
			b = appendValue(b, e)
		}
	case *qdrant.Value_StructValue:
		fields := k.StructValue.GetFields()
		b = appendNumber(b, 'o', uint64(len(fields)))
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			b = appendString(b, key)
			b = appendValue(b, fields[key])
		}
	default:
		b = appendNumber(b, 'n', 0)
	}
	return b
}
