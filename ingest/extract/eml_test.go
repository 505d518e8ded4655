package extract

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEML(t *testing.T) {
	tests := []struct {
		name, source string
		want         []string
	}{
		{"plain", "From: a@b.c\r\n\r\nHello\r\nthere\r\n\r\nBye\r\n", []string{`paragraph 0 p0 "From: a@b.c"`, `paragraph 0 p0 "Hello\nthere"`, `paragraph 0 p0 "Bye"`}},
		{"mailbox line", "From a@b.c Sat Mar 1\nSubject: s\n\nx", []string{`heading 1 p0 "s"`, `paragraph 0 p0 "x"`}},
		{"base64", "Subject: s\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: BASE64\n\nY2Fm\n 6Q==\n", []string{`heading 1 p0 "s"`, `paragraph 0 p0 "café"`}},
		{"html", "Subject: s\nContent-Type: text/html\n\n<h2>T</h2><p>x<script>1</script>", []string{`heading 1 p0 "s"`, `heading 2 p0 "## T"`, `paragraph 0 p0 "x"`}},
		{"stub of plain text", "Subject: s\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\nSee HTML.\n--b\nContent-Type: text/html\n\n<p>one two three four five six\n--b--\n",
			[]string{`heading 1 p0 "s"`, `paragraph 0 p0 "one two three four five six"`}},
		{"nested", "Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: in\n\ny\n--b\nContent-Type: text/plain; name=n.txt\nContent-Disposition: attachment\n\nno\n--b--\n",
			[]string{`heading 1 p0 "s"`, `heading 2 p0 "in"`, `paragraph 0 p0 "y"`}},
		{"truncated", "Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nkept", []string{`heading 1 p0 "s"`, `paragraph 0 p0 "kept"`}},
		{"bytes in a header", "Subject: caf\xe9 au lait\n\nx", []string{`heading 1 p0 "café au lait"`, `paragraph 0 p0 "x"`}},
		{"unknown type", "Subject: s\nContent-Type: ;;\n\nx", []string{`heading 1 p0 "s"`, `paragraph 0 p0 "x"`}},
		{"status", "Subject: s\nContent-Type: message/delivery-status\n\nAction: failed\n", []string{`heading 1 p0 "s"`, `paragraph 0 p0 "Action: failed"`}},
	}
	for _, tt := range tests {
		doc := mustExtract(t, "x.eml", []byte(tt.source))
		if diff := cmp.Diff(tt.want, kindsOf(doc)); diff != "" {
			t.Errorf("%s: blocks (-want +got):\n%s", tt.name, diff)
		}
	}
	doc := mustExtract(t, "x.eml", []byte("From: a@b.c\nTo: "+strings.TrimSuffix(manyAddresses(300), ",")+"\n\nx"))
	if n := len(doc.Meta["to"].Strings); n != 256 || len(doc.Warnings) != 1 {
		t.Errorf("%d recipients, warnings %q, want 256 and one", n, doc.Warnings)
	}
	wantError(t, "x.eml", []byte("From: a@b.c\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\n\nMIAG"), ErrEncrypted)
}

func manyAddresses(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d@example.org,", i)
	}
	return b.String()
}

func TestUnflow(t *testing.T) {
	tests := []struct {
		source string
		delSp  bool
		want   string
	}{
		{"a \nb\nc", false, "a b\nc"},
		{"a \nb", true, "ab"},
		{"> a \n> b\n>> c\nd", false, "> a b\n>> c\nd"},
		{"> a \nb", false, "> a \nb"},
		{"a \n-- \nb", false, "a \n-- \nb"},
		{" From here", false, "From here"},
		{"\n\na", false, "\n\na"},
	}
	for _, tt := range tests {
		if got := unflow(tt.source, tt.delSp); strings.TrimLeft(got, "\n") != strings.TrimLeft(tt.want, "\n") {
			t.Errorf("unflow(%q, %v) = %q, want %q", tt.source, tt.delSp, got, tt.want)
		}
	}
}

func FuzzEML(f *testing.F) {
	f.Add("From: a@b.c\nSubject: =?utf-8?q?x?=\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Transfer-Encoding: base64\n\nYQ==\n--b\nContent-Type: text/html\n\n<p>a\n--b--\n")
	f.Add("Subject: s\nContent-Type: text/plain; format=flowed; delsp=yes\nContent-Transfer-Encoding: quoted-printable\n\n> a =\n > b=20\n-- \nc")
	f.Fuzz(func(t *testing.T, s string) { fuzzExtract(t, "x.eml", emlType, s) })
}
