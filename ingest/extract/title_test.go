package extract

import "testing"

func TestNameTitle(t *testing.T) {
	for name, want := range map[string]string{
		"2022 Q3 AAPL.pdf":                        "2022 Q3 AAPL",
		"products/error-codes_lc200.csv":          "error codes lc200",
		`C:\reports\winter (2).TXT`:               "winter 2",
		"https://x.example/a%20plan.html?v=2#top": "a plan",
		"https://x.example/100%.html":             "",
		"a%20plan%20(2).html":                     "a plan 2",
		"cotton-50%ab.html":                       "cotton 50%ab",
		"MutualNDAForm.pdf":                       "Mutual NDA Form",
		"sales/AnnualReport2024ForAcme.docx":      "Annual Report2024 For Acme",
		"AnnualReport2024.pdf":                    "AnnualReport 2024",
		"HMSOExportControlOrder1998.pdf":          "HMSO Export Control Order 1998",
		"terms-january2013.txt":                   "terms january 2013",
		"NDA_AcmeCorp-2019.pdf":                   "NDA AcmeCorp 2019",
		"rfc2045.txt":                             "rfc2045",
		"Model1234.pdf":                           "Model1234",
		"PDFReader.pdf":                           "PDFReader",
		"ThePDFReaderManual.pdf":                  "The PDF Reader Manual",
		"HTTPServer2.pdf":                         "HTTPServer2",
		"HTTP2ServerGuide.pdf":                    "HTTP2 Server Guide",
		"IBMSystem360Manual.pdf":                  "IBM System360 Manual",
		"DataSheetLC200Valve.pdf":                 "Data Sheet LC200 Valve",
		"2024AnnualReport.pdf":                    "2024 Annual Report",
		"iPhone.pdf":                              "iPhone",
		"iPhoneUserGuide.pdf":                     "iPhone User Guide",
		"McDonald.pdf":                            "McDonald",
		"McDonaldFranchiseAgreement.pdf":          "McDonald Franchise Agreement",
		"AppendixAToContract.pdf":                 "AppendixAToContract",
		"ÜberUnsSeite.pdf":                        "Über Uns Seite",
		"GitHub.html":                             "GitHub",
		"LaTeX.pdf":                               "LaTeX",
		"ABCDEF.pdf":                              "ABCDEF",
		"Mutual-NDAForm_ForOldSuppliers.pdf":      "Mutual NDAForm For Old Suppliers",
		"network-manual.tex":                      "network manual",
		"export/price_list.xml":                   "price list",
		"report":                                  "", // an identifier
		"MED-10":                                  "",
		"v1.2":                                    "",
		"document-final (3).pdf":                  "",
		"scan0001.pdf":                            "",
		"20240131.pdf":                            "",
		"6fa459ea-ee8a-3ca4-894e-db77e160355e.md": "",
		"a.txt": "",
		".pdf":  "",
		"":      "",
	} {
		if got := nameTitle(name); got != want {
			t.Errorf("nameTitle(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestWithName(t *testing.T) {
	for _, tt := range []struct{ heading, name, want string }{
		{"FORM 10-Q", "2022 Q3 AAPL.pdf", "FORM 10-Q (2022 Q3 AAPL)"},
		{"Annual report", "acme.pdf", "Annual report (acme)"},
		{"Pipit heat meters", "pipit-datasheet.pdf", "Pipit heat meters"},
		{"Pipit heat meters", "pipit-datasheet-v2.pdf", "Pipit heat meters (pipit datasheet v2)"},
		{"VX-4410 control valve", "vx-4410.pdf", "VX-4410 control valve"},
		{"Heading", "scan1.pdf", "Heading"},
		{"", "acme.pdf", "acme"},
		{"", "1.pdf", ""},
	} {
		if got := withName(tt.heading, tt.name); got != tt.want {
			t.Errorf("withName(%q, %q) = %q, want %q", tt.heading, tt.name, got, tt.want)
		}
	}
}
