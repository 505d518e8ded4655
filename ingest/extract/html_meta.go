package extract

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// htmlMetaKeys are the names of <meta> elements that are kept, lower case, with
// their keys; those of Dublin Core and of the Open Graph protocol among them.
var htmlMetaKeys = map[string]string{
	"author": metaAuthor, "article:author": metaAuthor, "dc.creator": metaAuthor, "dcterms.creator": metaAuthor, "citation_author": metaAuthor,
	"keywords": metaKeywords, "article:tag": metaKeywords, "news_keywords": metaKeywords, "dc.subject": metaKeywords,
	"description": metaDescription, "og:description": metaDescription, "dc.description": metaDescription,
	"og:site_name": metaPublisher, "dc.publisher": metaPublisher,
	"article:published_time": metaPublished, "dc.date": metaPublished, "dcterms.created": metaPublished, "date": metaPublished,
	"article:modified_time": metaModified, "dcterms.modified": metaModified, "last-modified": metaModified,
	"article:section": metaCategory,
	"dc.language":     metaLanguage,
}

// htmlMeta returns what the head of a page says about it. Of several values of
// one kind the first counts, but for authors and keywords.
func htmlMeta(root *html.Node) *metadata {
	m := &metadata{}
	for n := range root.Descendants() {
		switch {
		case n.Type != html.ElementNode:
		case n.DataAtom == atom.Body:
			return m
		case n.DataAtom == atom.Html:
			m.text(metaLanguage, attr(n, "lang"))
		case n.DataAtom == atom.Meta:
			name := attr(n, "name")
			if name == "" {
				name = attr(n, "property")
			}
			key, content := htmlMetaKeys[strings.ToLower(name)], attr(n, "content")
			switch {
			case key == "":
			case key == metaAuthor:
				m.add(key, content)
			case key == metaKeywords:
				m.add(key, splitKeywords(content)...)
			case m.fields[key].Kind != "":
			case key == metaPublished || key == metaModified:
				m.time(key, content)
			default:
				m.text(key, content)
			}
		}
	}
	return m
}
