package server

import (
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ragloop/ragloop/internal/meta"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// metaModified is the key of metadata under which NewDocument.modified travels.
const metaModified = "modified"

// newFields returns the metadata of a document to be ingested.
func newFields(in *ragloopv1.NewDocument, bad *invalidRequest) meta.Fields {
	out := make(meta.Fields, len(in.Meta)+len(in.Fields)+1)
	if n := len(in.Meta) + len(in.Fields); n > maxLabels {
		bad.add("document.meta", "has %d keys together with document.fields, allowed are %d", n, maxLabels)
		return nil
	}
	for key, v := range in.Meta {
		out[key] = meta.OfString(v)
	}
	for _, key := range slices.Sorted(maps.Keys(in.Fields)) {
		field := "document.fields[" + strconv.Quote(key) + "]"
		if _, ok := out[key]; ok {
			bad.add(field, "is given in document.meta, too")
			continue
		}
		v, problem := metaValue(in.Fields[key])
		if problem != "" {
			bad.add(field, "%s", problem)
			continue
		}
		out[key] = v
	}
	size := 0
	for _, key := range out.Keys() {
		field := "document.fields[" + strconv.Quote(key) + "]"
		if _, ok := in.Meta[key]; ok {
			field = "document.meta[" + strconv.Quote(key) + "]"
		}
		size += len(key) + out[key].Size()
		if err := meta.Check(meta.Fields{key: out[key]}); err != nil {
			bad.add(field, "is not allowed: %v", err)
		}
	}
	if size > meta.MaxBytes {
		bad.add("document.fields", "has %d bytes together with document.meta, allowed are %d", size, meta.MaxBytes)
	}
	if in.Modified != nil {
		if err := in.Modified.CheckValid(); err != nil {
			bad.add("document.modified", "is no point in time, allowed are the years 1 to 9999")
		}
		if _, ok := out[metaModified]; ok {
			bad.add("document.modified", "is given in the metadata, too")
		}
		out[metaModified] = meta.OfTime(in.Modified.AsTime())
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// metaValue returns a value, or what is wrong with it.
func metaValue(in *ragloopv1.MetaValue) (v meta.Value, problem string) {
	switch k := in.GetKind().(type) {
	case *ragloopv1.MetaValue_Text:
		return meta.OfString(k.Text), ""
	case *ragloopv1.MetaValue_Integer:
		return meta.OfInteger(k.Integer), ""
	case *ragloopv1.MetaValue_Number:
		return meta.OfFloat(k.Number), ""
	case *ragloopv1.MetaValue_Boolean:
		return meta.OfBool(k.Boolean), ""
	case *ragloopv1.MetaValue_Time:
		if err := k.Time.CheckValid(); err != nil {
			return v, "is no point in time, allowed are the years 1 to 9999"
		}
		return meta.OfTime(k.Time.AsTime()), ""
	case *ragloopv1.MetaValue_Texts:
		return meta.OfStrings(k.Texts.GetValues()), ""
	}
	return v, "has no value; allowed are text, integer, number, boolean, time and texts"
}

// metaTexts returns fields as people read them.
func metaTexts(fields meta.Fields) map[string]string {
	if len(fields) == 0 {
		return nil
	}
	out := make(map[string]string, len(fields))
	for key, v := range fields {
		out[key] = v.Text()
	}
	return out
}

func metaValues(fields meta.Fields) map[string]*ragloopv1.MetaValue {
	if len(fields) == 0 {
		return nil
	}
	out := make(map[string]*ragloopv1.MetaValue, len(fields))
	for key, v := range fields {
		w := &ragloopv1.MetaValue{}
		switch v.Kind {
		case meta.String:
			w.Kind = &ragloopv1.MetaValue_Text{Text: v.String}
		case meta.Integer:
			w.Kind = &ragloopv1.MetaValue_Integer{Integer: v.Integer}
		case meta.Float:
			w.Kind = &ragloopv1.MetaValue_Number{Number: v.Float}
		case meta.Bool:
			w.Kind = &ragloopv1.MetaValue_Boolean{Boolean: v.Bool}
		case meta.Time:
			w.Kind = &ragloopv1.MetaValue_Time{Time: timestamppb.New(v.Time)}
		case meta.Strings:
			w.Kind = &ragloopv1.MetaValue_Texts{Texts: &ragloopv1.MetaTexts{Values: v.Strings}}
		}
		out[key] = w
	}
	return out
}
