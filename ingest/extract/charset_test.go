package extract

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

// samples are a paragraph each, long enough for a guess.
var samples = map[string]string{
	"french": "Été comme hiver, le café de la gare reste ouvert jusqu'à minuit. Les élèves y étudient, les " +
		"employés y déjeunent, et l'hôtesse connaît déjà les préférences de chacun. À Noël, on y sert une bûche.\n\n" +
		"Réservez à l'avance, car le dîner du samedi est très demandé.",
	"russian": "Летом и зимой кафе на вокзале открыто до полуночи. Студенты там занимаются, служащие обедают, " +
		"и хозяйка уже знает предпочтения каждого гостя. На Новый год там подают праздничный торт.",
	"japanese": "駅前の喫茶店は、夏も冬も真夜中まで営業しています。学生はそこで勉強し、会社員は昼食をとり、" +
		"おかみさんは一人一人の好みをよく知っています。クリスマスにはケーキが出ます。",
	"chinese": "车站旁边的咖啡馆无论夏天还是冬天都营业到午夜。学生在那里学习，职员在那里吃午饭，" +
		"老板娘已经知道每位客人的喜好。圣诞节的时候那里会供应蛋糕，请提前预订座位。",
	"taiwanese": "車站旁邊的咖啡館無論夏天還是冬天都營業到午夜。學生在那裡讀書，職員在那裡吃午飯，" +
		"老闆娘已經知道每位客人的喜好。聖誕節的時候那裡會供應蛋糕，請提前預訂座位。",
	"korean": "역 앞의 카페는 여름에도 겨울에도 자정까지 문을 엽니다. 학생들은 그곳에서 공부하고 직원들은 점심을 먹으며 " +
		"주인은 이미 손님마다 좋아하는 것을 알고 있습니다. 크리스마스에는 케이크가 나옵니다.",
}

func encode(t testing.TB, enc encoding.Encoding, s string) []byte {
	t.Helper()
	b, err := enc.NewEncoder().Bytes([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCharsets(t *testing.T) {
	utf16le := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	utf16be := unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	tests := []struct {
		name, sample string
		enc          encoding.Encoding
		guessed      bool
	}{
		{"utf-8", "french", encoding.Nop, false},
		{"utf-8 with mark", "russian", unicode.UTF8BOM, false},
		{"utf-16le with mark", "chinese", utf16le, false},
		{"utf-16be with mark", "french", utf16be, false},
		{"windows-1252", "french", charmap.Windows1252, true},
		{"windows-1251", "russian", charmap.Windows1251, true},
		{"koi8-r", "russian", charmap.KOI8R, true},
		{"shift_jis", "japanese", japanese.ShiftJIS, true},
		{"euc-jp", "japanese", japanese.EUCJP, true},
		{"gb18030", "chinese", simplifiedchinese.GB18030, true},
		{"big5", "taiwanese", traditionalchinese.Big5, true},
		{"euc-kr", "korean", korean.EUCKR, true},
	}
	for _, tt := range tests {
		want := samples[tt.sample]
		doc, err := Extract(t.Context(), Input{Name: "x.txt", Data: encode(t, tt.enc, want)})
		if err != nil || doc.Text != want {
			t.Errorf("%s: text %.40q, error %v, want %.40q", tt.name, doc.Text, err, want)
			continue
		}
		if guessed := len(doc.Warnings) > 0; guessed != tt.guessed {
			t.Errorf("%s: warnings %q, want a guess %v", tt.name, doc.Warnings, tt.guessed)
		} else if guessed && !strings.Contains(doc.Warnings[0], "guess") {
			t.Errorf("%s: warning %q does not say that it is a guess", tt.name, doc.Warnings[0])
		}
		checkDocument(t, doc)
	}
}

func TestDeclaredCharset(t *testing.T) {
	want := "Grüße aus Łódź" // too short to guess
	data := encode(t, charmap.ISO8859_2, want)
	doc, err := Extract(t.Context(), Input{Name: "x.txt", MediaType: "text/plain; charset=iso-8859-2", Data: data})
	if err != nil || doc.Text != want || len(doc.Warnings) > 0 {
		t.Errorf("declared: text %q, warnings %q, error %v, want %q", doc.Text, doc.Warnings, err, want)
	}
	// A declaration that is wrong for valid UTF-8 does not count.
	doc, err = Extract(t.Context(), Input{Name: "x.txt", MediaType: "text/plain; charset=iso-8859-1", Data: []byte(want)})
	if err != nil || doc.Text != want {
		t.Errorf("wrongly declared: text %q, error %v, want %q", doc.Text, err, want)
	}
	for _, meta := range []string{`<meta charset="iso-8859-2">`, `<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2">`} {
		page := append([]byte("<html><head>"+meta+"</head><body><p>"), data...)
		doc, err = Extract(t.Context(), Input{Name: "x.html", Data: page})
		if err != nil || doc.Text != want {
			t.Errorf("%s: text %q, error %v, want %q", meta, doc.Text, err, want)
		}
	}
}

func TestDamagedUTF8(t *testing.T) {
	doc, err := Extract(t.Context(), Input{Name: "x.txt", Data: []byte(samples["russian"][:201] + " x\xff")})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.Text, "Летом и зимой") || strings.Count(doc.Text, "\uFFFD") != 2 {
		t.Errorf("text %q, want the text with two replacement characters", doc.Text)
	}
	if len(doc.Warnings) != 1 || !strings.Contains(doc.Warnings[0], "2 bytes") {
		t.Errorf("warnings %q, want one that counts 2 bytes", doc.Warnings)
	}
	checkDocument(t, doc)
}

// An XML file says its encoding itself; what is declared beside it counts more.
func TestXMLEncoding(t *testing.T) {
	const body = `<a>Москва</a>`
	for _, tt := range []struct{ declaration, mediaType string }{
		{`<?xml version="1.0" encoding="koi8-r"?>`, ""},
		{`<?xml version='1.0' encoding = 'KOI8-R' standalone='yes'?>`, ""},
		{`<?xml version="1.0" encoding="iso-8859-1"?>`, "text/xml; charset=koi8-r"},
	} {
		doc, err := Extract(t.Context(), Input{Name: "x.xml", MediaType: tt.mediaType, Data: encode(t, charmap.KOI8R, tt.declaration+body)})
		if err != nil || doc.Text != tt.declaration+body || doc.Warnings != nil {
			t.Errorf("%s declared %q: %q, %v, %v", tt.declaration, tt.mediaType, doc.Text, doc.Warnings, err)
		}
	}
}
