package metric

// Abstention is the 2x2 of queries by whether the corpus answers them and
// whether the system abstained. The zero value is of no query.
//
// A query for which nothing came back, because a call failed, is neither: the
// caller counts it apart.
type Abstention struct {
	AnswerableAnswered    int `json:"answerable_answered"`
	AnswerableAbstained   int `json:"answerable_abstained"` // an answer was there to give
	UnanswerableAnswered  int `json:"unanswerable_answered"`
	UnanswerableAbstained int `json:"unanswerable_abstained"` // rightly
}

// Add counts one query.
func (a *Abstention) Add(answerable, abstained bool) {
	switch {
	case answerable && abstained:
		a.AnswerableAbstained++
	case answerable:
		a.AnswerableAnswered++
	case abstained:
		a.UnanswerableAbstained++
	default:
		a.UnanswerableAnswered++
	}
}

// AbstainBelow returns the 2x2 of a retrieval that abstains where its top score
// is below threshold. A threshold must not be chosen on the queries that it is
// then measured on; stats.Separate needs none.
func AbstainBelow(threshold float64, answerable, unanswerable []float64) Abstention {
	var a Abstention
	for _, s := range answerable {
		a.Add(true, s < threshold)
	}
	for _, s := range unanswerable {
		a.Add(false, s < threshold)
	}
	return a
}

// Precision is abstention_precision.
func (a Abstention) Precision() Value {
	all := a.UnanswerableAbstained + a.AnswerableAbstained
	if all == 0 {
		return NoValue("no query was abstained from")
	}
	return share(a.UnanswerableAbstained, all)
}

// Recall is abstention_recall.
func (a Abstention) Recall() Value {
	all := a.UnanswerableAbstained + a.UnanswerableAnswered
	if all == 0 {
		return NoValue("no query is unanswerable")
	}
	return share(a.UnanswerableAbstained, all)
}
