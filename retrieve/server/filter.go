package server

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ragloop/ragloop/internal/filter"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

var filterOperators = map[ragloopv1.FilterOperator]filter.Op{
	ragloopv1.FilterOperator_FILTER_OPERATOR_EQUAL:            filter.Equal,
	ragloopv1.FilterOperator_FILTER_OPERATOR_NOT_EQUAL:        filter.NotEqual,
	ragloopv1.FilterOperator_FILTER_OPERATOR_LESS:             filter.Less,
	ragloopv1.FilterOperator_FILTER_OPERATOR_LESS_OR_EQUAL:    filter.LessOrEqual,
	ragloopv1.FilterOperator_FILTER_OPERATOR_GREATER:          filter.Greater,
	ragloopv1.FilterOperator_FILTER_OPERATOR_GREATER_OR_EQUAL: filter.GreaterOrEqual,
	ragloopv1.FilterOperator_FILTER_OPERATOR_IN:               filter.In,
	ragloopv1.FilterOperator_FILTER_OPERATOR_EXISTS:           filter.Exists,
}

// filterWhere returns the expression of a request; path names it in violations.
// The first violation ends it: a small message can hold a million of them.
func filterWhere(path string, in *ragloopv1.FilterExpression, bad *invalidRequest) filter.Expr {
	if in == nil {
		return filter.Expr{}
	}
	before := len(*bad)
	e := filterExpr(path, in, 1, bad)
	if len(*bad) > before {
		return filter.Expr{}
	}
	if err := e.Check(); err != nil {
		bad.add(path, "is not allowed: %s", filter.Problem(err))
		return filter.Expr{}
	}
	return e
}

func filterExpr(path string, in *ragloopv1.FilterExpression, depth int, bad *invalidRequest) filter.Expr {
	if depth > filter.MaxDepth {
		bad.add(path, "is more than %d deep", filter.MaxDepth)
		return filter.Expr{}
	}
	switch k := in.GetKind().(type) {
	case *ragloopv1.FilterExpression_All:
		return filterParts(path+".all", filter.And, k.All, depth, bad)
	case *ragloopv1.FilterExpression_Any:
		return filterParts(path+".any", filter.Or, k.Any, depth, bad)
	case *ragloopv1.FilterExpression_Negated:
		return filter.Expr{Op: filter.Not, Of: []filter.Expr{filterExpr(path+".negated", k.Negated, depth+1, bad)}}
	case *ragloopv1.FilterExpression_Condition:
		return filterCondition(path+".condition", k.Condition, bad)
	}
	bad.add(path, "is empty; allowed are all, any, negated and condition")
	return filter.Expr{}
}

// filterParts joins parts; one alone stands for itself.
func filterParts(path string, op filter.Op, in *ragloopv1.FilterExpressions, depth int, bad *invalidRequest) filter.Expr {
	e := filter.Expr{Op: op}
	before := len(*bad)
	for i, part := range in.GetOf() {
		e.Of = append(e.Of, filterExpr(fmt.Sprintf("%s.of[%d]", path, i), part, depth+1, bad))
		if len(*bad) > before {
			return filter.Expr{}
		}
	}
	switch len(e.Of) {
	case 0:
		bad.add(path+".of", "is empty; it joins at least one expression")
		return filter.Expr{}
	case 1:
		return e.Of[0]
	}
	return e
}

func filterCondition(path string, in *ragloopv1.FilterCondition, bad *invalidRequest) filter.Expr {
	field, err := filter.FieldOf(in.GetField())
	if err != nil {
		bad.add(path+".field", "is not allowed: %s", filter.Problem(err))
		return filter.Expr{}
	}
	e := filter.Expr{Op: filterOperators[in.GetOperator()], Field: field}
	if e.Op == "" {
		bad.add(path+".operator", "is %s, allowed are the others of FilterOperator", in.GetOperator())
		return filter.Expr{}
	}
	for i, v := range in.GetValues() {
		value, problem := filterValue(v)
		if problem != "" {
			bad.add(fmt.Sprintf("%s.values[%d]", path, i), "%s", problem)
			return filter.Expr{}
		}
		e.Values = append(e.Values, value)
	}
	if err := e.CheckCondition(); err != nil {
		bad.add(path, "is not allowed: %s", filter.Problem(err))
	}
	return e
}

// filterValue returns a value, or what is wrong with it.
func filterValue(in *ragloopv1.FilterValue) (v filter.Value, problem string) {
	switch k := in.GetKind().(type) {
	case *ragloopv1.FilterValue_Text:
		return filter.Value{Kind: filter.Text, Text: k.Text}, ""
	case *ragloopv1.FilterValue_Number:
		return filter.Value{Kind: filter.Number, Number: k.Number}, ""
	case *ragloopv1.FilterValue_Boolean:
		return filter.Value{Kind: filter.Bool, Bool: k.Boolean}, ""
	case *ragloopv1.FilterValue_Time:
		if k.Time.CheckValid() != nil {
			return v, "is no point in time, allowed are the years 1 to 9998"
		}
		return filter.Value{Kind: filter.Time, Time: k.Time.AsTime()}, ""
	case *ragloopv1.FilterValue_Date:
		day, err := time.Parse(time.DateOnly, k.Date)
		if err != nil {
			return v, fmt.Sprintf("is %q, allowed is a date such as 2024-05-31", k.Date)
		}
		return filter.Value{Kind: filter.Day, Time: day}, ""
	}
	return v, "has no value; allowed are text, number, boolean, time and date"
}

// Where returns e as a request has it; nil for none.
func Where(e filter.Expr) *ragloopv1.FilterExpression {
	parts := &ragloopv1.FilterExpressions{}
	for _, part := range e.Of {
		parts.Of = append(parts.Of, Where(part))
	}
	switch e.Op {
	case "":
		return nil
	case filter.And:
		return &ragloopv1.FilterExpression{Kind: &ragloopv1.FilterExpression_All{All: parts}}
	case filter.Or:
		return &ragloopv1.FilterExpression{Kind: &ragloopv1.FilterExpression_Any{Any: parts}}
	case filter.Not:
		return &ragloopv1.FilterExpression{Kind: &ragloopv1.FilterExpression_Negated{Negated: parts.Of[0]}}
	}
	c := &ragloopv1.FilterCondition{Field: e.Field.Name}
	if e.Field.Meta {
		c.Field = "meta." + c.Field
	}
	for op, domain := range filterOperators {
		if domain == e.Op {
			c.Operator = op
		}
	}
	for _, v := range e.Values {
		c.Values = append(c.Values, wireValue(v))
	}
	return &ragloopv1.FilterExpression{Kind: &ragloopv1.FilterExpression_Condition{Condition: c}}
}

func wireValue(v filter.Value) *ragloopv1.FilterValue {
	switch v.Kind {
	case filter.Number:
		return &ragloopv1.FilterValue{Kind: &ragloopv1.FilterValue_Number{Number: v.Number}}
	case filter.Bool:
		return &ragloopv1.FilterValue{Kind: &ragloopv1.FilterValue_Boolean{Boolean: v.Bool}}
	case filter.Time:
		return &ragloopv1.FilterValue{Kind: &ragloopv1.FilterValue_Time{Time: timestamppb.New(v.Time)}}
	case filter.Day:
		return &ragloopv1.FilterValue{Kind: &ragloopv1.FilterValue_Date{Date: v.Time.Format(time.DateOnly)}}
	}
	return &ragloopv1.FilterValue{Kind: &ragloopv1.FilterValue_Text{Text: v.Text}}
}
