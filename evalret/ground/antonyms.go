package ground

// opposites has on each line words that may replace each other, and after the
// bar the words that say the opposite. All inflections of them are meant.
const opposites = `increase rise grow raise climb surge gain soar expand improve up higher upward|decrease fall shrink lower decline drop reduce lose plunge contract worsen down downward
increased rose grew raised climbed surged gained soared|decreased fell shrank lowered declined dropped reduced lost plunged
more|less fewer
most|least fewest
many|few
high highest higher|low lowest lower
large larger largest big bigger biggest great greater|small smaller smallest little
long longer longest|short shorter shortest brief
strong stronger strongest|weak weaker weakest
fast faster quick quicker rapid|slow slower gradual
early earlier|late later
old older oldest|new newer newest young younger youngest
good better best|bad worse worst poor
positive|negative
success succeed successful successfully|failure fail unsuccessful unsuccessfully
win won victory winner|lose lost defeat loser loss
accept agree approve allow permit|reject refuse decline disagree disapprove deny forbid prohibit ban prevent block
accepted allowed permitted approved|rejected refused denied forbidden prohibited banned prevented blocked
include|exclude
include included|exclude excluded
before prior|after following
first|last final second
start begin open launch|end finish stop close conclude cease
began started opened launched|ended finished stopped closed ceased
always often frequently usually|never rarely seldom
all every|none no
everyone everybody|nobody
everything|nothing
support supporter favor favour|oppose opponent against
love like enjoy|hate dislike
happy glad pleased delighted|sad unhappy upset disappointed angry
safe safely|dangerous unsafe dangerously
easy easily simple|difficult hard complex complicated
rich wealthy|poor
cheap inexpensive affordable|expensive costly
buy bought purchase purchased|sell sold sale
import|export
enter arrive come|leave depart exit go
arrived came entered|left departed exited
inside|outside
internal|external
north northern|south southern
east eastern|west western
left|right
above|below
top|bottom
front|back rear
near close|far distant
same similar identical|different dissimilar
legal lawful|illegal unlawful
possible|impossible
likely|unlikely
able|unable
known|unknown
common|rare uncommon unusual
public|private
male man men boy he him his husband father son brother|female woman women girl she her wife mother daughter sister
husband|wife
father|mother
son|daughter
brother|sister
king|queen
alive live living|dead die dying
born|died
true real|false fake untrue
guilty|innocent
present|absent
remember|forget
remembered|forgot
add|remove subtract
added|removed
give gave given|take took taken receive received
send sent|receive received
push|pull
pass|fail
maximum|minimum
major|minor
majority|minority
active|inactive passive
temporary|permanent
optional voluntary|mandatory compulsory required
urban|rural
domestic|foreign
modern|ancient
hot warm|cold cool
day|night
light bright|dark
wet|dry
full|empty
heavy|light
wide broad|narrow
deep|shallow
thick|thin
hard|soft
rough|smooth
clean|dirty
friend ally|enemy foe
peace|war
attack|defend defense
victory|defeat
profit|loss
asset|liability
benefit advantage|drawback disadvantage
upgrade|downgrade
encourage|discourage
optimistic|pessimistic
confirm confirmed|deny denied
create build|destroy demolish
created built|destroyed demolished
appear|disappear
connect|disconnect
enable enabled|disable disabled
activate activates activation|inhibit inhibits inhibition deactivate suppress suppresses
promote promotes|inhibit inhibits prevent prevents
upregulate upregulates upregulated upregulation|downregulate downregulates downregulated downregulation
induce induces|inhibit inhibits suppress suppresses
sensitive|resistant
acute|chronic
benign|malignant
efficient effective|inefficient ineffective
significant significantly|insignificant negligible
accelerate|slow delay decelerate
advance|delay postpone
cancel|confirm
hire hired|fire fired dismiss dismissed
employ employed|unemployed
married|divorced single
together|apart separately
directly|indirectly
partially partly|fully completely entirely
exactly|approximately
superior|inferior
senior|junior
senior|young
supply|demand
deposit|withdraw withdrawal
borrow|lend
debt|credit
question ask asked|answer answered reply replied
teacher|student
parent|child
employer|employee
buyer customer|seller
winner|loser
host|guest
plaintiff|defendant
democrat democratic|republican
liberal|conservative
summer|winter
spring|autumn
morning|evening
simple|complex
single|multiple double
unlimited|limited
limited|unlimited
famous|unknown obscure
honest|dishonest
polite|rude
patient|impatient
regular|irregular
visible|invisible
valid|invalid
stable|unstable
fair|unfair
healthy|unhealthy sick ill
convenient|inconvenient
aware|unaware
certain sure|uncertain unsure
available|unavailable
acceptable|unacceptable
expected|unexpected surprising
necessary|unnecessary
popular|unpopular
usual|unusual
willing|unwilling reluctant
correct right|incorrect wrong`

// series are words of which each excludes the others of its line: where the
// evidence has one, a claim with another says something else.
const series = `first second third fourth fifth sixth seventh eighth ninth tenth
q1 q2 q3 q4
h1 h2
two three four five six seven eight nine ten
thousand million billion trillion
day week month year decade
monday tuesday wednesday thursday friday saturday sunday
january february march april may june july august september october november december
morning afternoon evening night
red orange yellow green blue purple pink brown black white grey`
