package server

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/filter"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// A filter goes from its text over the wire to the index and back.
func TestWhereOverTheWire(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	for id, content := range map[string]string{
		"a.md": "---\ntags: policy\nyear: 2025\n---\nThe zeppelin rises.\n",
		"b.md": "---\ntags: policy\nyear: 2020\n---\nThe zeppelin falls.\n",
		"c.md": "The zeppelin waits.\n",
	} {
		_, err := c.PutDocument(t.Context(), &ragloopv1.PutDocumentRequest{Document: &ragloopv1.NewDocument{
			Id: id, Content: []byte(content), Acl: []string{"group:" + id},
			Fields: map[string]*ragloopv1.MetaValue{"draft": {Kind: &ragloopv1.MetaValue_Boolean{Boolean: id == "b.md"}}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string][]string{
		"tags=policy AND year>=2024":         {"a.md"},
		"tags=policy AND NOT draft=true":     {"a.md"},
		"NOT EXISTS year AND acl=group:c.md": {"c.md"},
		"year IN (2020, 2025) OR doc=c.md":   {"a.md", "b.md", "c.md"},
		"yaer>=2024":                         nil,
	} {
		where, err := filter.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.Search(t.Context(), &ragloopv1.SearchRequest{Query: "zeppelin", Search: &ragloopv1.SearchOptions{
			Fusion: "lexical", Filter: &ragloopv1.Filter{Where: Where(where)}}})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var got []string
		for _, ch := range out.Chunks {
			got = append(got, ch.Document)
			if ch.Document == "a.md" && ch.Fields["year"].GetInteger() != 2025 {
				t.Errorf("fields %v", ch.Fields)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s finds %q, want %q", text, got, want)
		}
		if typo := slices.Equal(out.Warnings, []string{`filter: no document has the field "yaer"`}); typo != (want == nil) {
			t.Errorf("%s: warnings %q", text, out.Warnings)
		}
	}
}

func TestInvalidWhere(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	condition := func(field string, op ragloopv1.FilterOperator, values ...*ragloopv1.FilterValue) *ragloopv1.FilterExpression {
		return &ragloopv1.FilterExpression{Kind: &ragloopv1.FilterExpression_Condition{Condition: &ragloopv1.FilterCondition{Field: field, Operator: op, Values: values}}}
	}
	all := func(parts ...*ragloopv1.FilterExpression) *ragloopv1.FilterExpression {
		return &ragloopv1.FilterExpression{Kind: &ragloopv1.FilterExpression_All{All: &ragloopv1.FilterExpressions{Of: parts}}}
	}
	deep := condition("a", ragloopv1.FilterOperator_FILTER_OPERATOR_EXISTS)
	for range 100 {
		deep = &ragloopv1.FilterExpression{Kind: &ragloopv1.FilterExpression_Negated{Negated: deep}}
	}
	var many []*ragloopv1.FilterExpression
	for range 10_000 {
		many = append(many, all(all()))
	}
	number := &ragloopv1.FilterValue{Kind: &ragloopv1.FilterValue_Number{Number: 1}}
	const where = "search.filter.where"
	for field, in := range map[string]*ragloopv1.FilterExpression{
		where:                                   {},
		where + ".all.of":                       all(),
		where + ".all.of[1].condition.operator": all(condition("a", ragloopv1.FilterOperator_FILTER_OPERATOR_EXISTS), condition("a", 0, number)),
		where + ".all.of[0].all.of[0].all.of":   all(many...),
		where + ".condition.field":              condition("title", ragloopv1.FilterOperator_FILTER_OPERATOR_EXISTS),
		where + ".condition.values[0]":          condition("a", ragloopv1.FilterOperator_FILTER_OPERATOR_EQUAL, &ragloopv1.FilterValue{}),
		where + ".condition":                    condition("tags", ragloopv1.FilterOperator_FILTER_OPERATOR_LESS, number),
		where + strings.Repeat(".negated", 32):  deep,
	} {
		_, err := c.Search(t.Context(), &ragloopv1.SearchRequest{Query: "x", Search: &ragloopv1.SearchOptions{Filter: &ragloopv1.Filter{Where: in}}})
		st := status.Convert(err)
		if st.Code() != codes.InvalidArgument || len(st.Details()) != 1 {
			t.Fatalf("%s: %v", field, err)
		}
		if got := st.Details()[0].(*errdetails.BadRequest).FieldViolations; len(got) != 1 || got[0].Field != field {
			t.Errorf("violations %.200v, want one of %s", got, field)
		}
	}
}

// A key that nothing can be stored under, or that no path names, is the client's
// mistake, in both places that take one.
func TestInvalidFilterKeys(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	for _, key := range []string{"", `a\b`, `a"b`, strings.Repeat("k", 5000)} {
		exists := &ragloopv1.FilterCondition{Field: "meta." + key, Operator: ragloopv1.FilterOperator_FILTER_OPERATOR_EXISTS}
		for field, in := range map[string]*ragloopv1.Filter{
			"search.filter.meta":                  {Meta: map[string]string{key: "x", "z": "x"}},
			"search.filter.where.condition.field": {Where: &ragloopv1.FilterExpression{Kind: &ragloopv1.FilterExpression_Condition{Condition: exists}}},
		} {
			_, err := c.Search(t.Context(), &ragloopv1.SearchRequest{Query: "x", Search: &ragloopv1.SearchOptions{Filter: in}})
			st := status.Convert(err)
			if st.Code() != codes.InvalidArgument || len(st.Details()) != 1 {
				t.Fatalf("%s with the key %.20q: %v", field, key, err)
			}
			got := st.Details()[0].(*errdetails.BadRequest).FieldViolations
			if len(got) != 1 || got[0].Field != field || !strings.Contains(got[0].Description, "allowed are 1 to 4096 bytes of UTF-8 without quotation marks and backslashes") {
				t.Errorf("violations %.300v, want one of %s", got, field)
			}
		}
	}
}
