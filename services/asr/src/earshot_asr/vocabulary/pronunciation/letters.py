"""English spelling to phones by rules, for words that no dictionary has: names, mostly.

A rule is `left[letters]right phones`, where left and right are regular expressions over what stands beside the
letters, and `^` and `$` are the word's ends. In a rule, V is any vowel letter and C any consonant letter. For each
position the rules of its letter are tried in order, and the first that fits gives its phones and moves past its
letters.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final, NamedTuple

from earshot_asr.vocabulary.dictionary import Phones

_RULES: Final = r"""
[augh]t AO
[augh] AE F
[au] AO
[aw] AO
[ay] EY
[ai]r EH
[ai] EY
[ae] IY
[aa] AA
[arr] EH R
w[ar] AO R
[are]$ EH R
[ar] AA R
[all]$ AO L
[al]k AO
[al]m AA
[a](tion|sion|cial|tial|cious|tious) EY
[a]ste$ EY
[a]nge$ EY
[a]Ce(s|d)?$ EY
[a](ble|cle|dle|fle|ple|tle)s?$ EY
[a]CV EY
V.*[age]$ IH JH
V.*[ate]$ EY T
V.*[al]$ AH L
V.*[an]$ AH N
V.*[ant]$ AH N T
V.*[ance]$ AH N S
V.*[ary]$ EH R IY
V.*[able]$ AH B AH L
w[a](s|t|n|l) AA
[a]$ AH
^[a](b|l|m|s|t|p|g|d|c)[^aeiouy]V AH
[a] AE
[bb] B
m[b]$
[b]t$
[b] B
[cch] K
[cc](e|i|y) K S
[cc] K
[ch](r|l) K
s[ch](o|e|u) K
[ch]$ CH
[ch] CH
[cia](l|n)$ SH AH
[cious]$ SH AH S
[ck] K
s[c](e|i|y)
[c](e|i|y) S
[cq] K
[c] K
[dge] JH
[dg](i|y) JH
[dd] D
[du]V JH UW
[d]t
[d] D
[eau] OW
[ee]r IH
[ee] IY
[ea](d|th|lth|sure)$ EH
[ear](n|l|th|ch) ER
[ear] IH R
[ea] IY
[eigh] EY
[eig]n EY
[ei] IY
[eu] Y UW
[ewe]$ UW
(r|l|j|ch)[ew] UW
[ew] Y UW
[ey]$ IY
[ey] EY
[err] EH R
[er]V IH R
[ere]$ IH R
[er] ER
V.*(t|d)[ed]$ AH D
V.*(p|k|f|s|x|ch|sh)[ed]$ T
V.*[ed]$ D
V.*(s|z|x|ch|sh|ce|ge)[es]$ AH Z
V.*C[es]$ Z
V.*[ence]$ AH N S
V.*[ent]$ AH N T
V.*[en]$ AH N
V.*[el]$ AH L
V.*[est]$ AH S T
V.*[et]$ AH T
[e]Ce(s|d)?$ IY
V.*C[e](ly|ment|ful|less|ness)
V.*C[e]$
^C*[e]$ IY
[e]o IY
[e]CiV IY
^(r|d|b)[e]C IH
[e] EH
[ff] F
[f] F
[ggs]$ G Z
[gg] G
[gh]$
[gh]t
^[gh] G
[gh]
^[gn] N
[g]n$
[gue]$ G
[gu](e|i)C G
[g](e|y) JH
[gi](a|o) JH
[g]i JH
[g] G
^[ho](ur|nest) AA
V[h](C|$)
[h] HH
[igh] AY
[ign]$ AY N
[ie](s|d)$ IY
[ie]$ IY
[ier]$ IY ER
[ie]w Y
[ie] IY
[ious]$ IY AH S
[iou] IY AH
[ia]$ IY AH
[ian]$ IY AH N
[ia] IY AH
[io]$ IY OW
[ion]$ Y AH N
[io] IY OW
[ique]$ IY K
[ire]$ AY ER
[irr] IH R
[ir]V AY R
[ir] ER
V.*[ine]$ IY N
V.*[ice]$ IH S
V.*[ive]$ IH V
V.*[ite]$ AY T
V.*[ible]$ AH B AH L
V.*[ify]$ AH F AY
[i]nd$ AY
[i]ld$ AY
[i]Ce(s|d|r)?$ AY
[i](ble|dle|fle|ple|tle)s?$ AY
[i]$ IY
^C*[i]V AY
[i]V IY
[i] IH
[j] JH
^[kn] N
[kh] K
[kk] K
[k] K
[ll] L
C[le]$ AH L
C[les]$ AH L Z
[l] L
[mm] M
[mn]$ M
[m] M
[nn] N
[ng]$ NG
[ng](s|ed|ing|er)$ NG
[nge] N JH
[ng](a|o|u|l|r) NG G
[ng] NG
[n](k|c[^eiy]|q|x) NG
[n] N
[oar] AO R
[oa] OW
[oeuv] UW V
[oe]$ OW
[oe] OW
[oi] OY
[oy] OY
[ook] UH K
[oor] AO R
[ood]$ UH D
[oo] UW
[ought] AO T
[ough]$ OW
[ould]$ UH D
[our] AO R
[ous]$ AH S
[ou](s|t|d|n|ch|th) AW
[ou] UW
[ow](n|l|d|er) AW
^C[ow]$ AW
[ow] OW
[orr] AO R
w[or] ER
V.*[or]$ ER
[or] AO R
[oth]er AH DH
[old] OW L D
[olk] OW K
[oll]$ OW L
[ost]$ OW S T
V.*[on]$ AH N
V.*[om]$ AH M
[o]Ce(s|d|r)?$ OW
[o](ble|cle|ple|tle)s?$ OW
[o]CV OW
[os]$ OW Z
[o]$ OW
[o] AA
[ph] F
[pp] P
^[ps] S
^[pn] N
[p] P
[que]$ K
[qu] K W
[q] K
[rrh] R
^[rh] R
[rr] R
[r] R
[sch](m|n|l|w) SH
[sc](e|i|y) S
[sh] SH
[ssion] SH AH N
[sure]$ ZH ER
V[sion]$ ZH AH N
[sion]$ SH AH N
[ss] S
[sm]$ Z AH M
V[se]$ Z
V[s]V Z
(b|d|g|l|m|n|r|v|w|y|V|e)[s]$ Z
[s] S
[tch] CH
[tion] SH AH N
[tia](l|n) SH AH
[tious]$ SH AH S
[ture] CH ER
^[th](e|is|at|ey|em|en|ere|us|ose|ough)$ DH
V[th]er DH
[the]$ DH
[th] TH
[tt] T
[t] T
[uy]$ AY
^C*[ue]$ UW
[ue]$ Y UW
[ui]C UW
[urr] ER
[ure]$ Y UH R
[ur]V Y UH R
[ur] ER
V.*[ule]$ Y UW L
V.*[um]$ AH M
V.*[us]$ AH S
V.*[ul]$ AH L
(r|l|j|ch|s)[u]Ce?V UW
[u]Ce(s|d)?$ Y UW
^[u]CV Y UW
[u]CV UW
p[u](t|ll|sh)$ UH
[u]$ UW
^C*[u](a|e|o) UW
[u](a|e|i|o) W
[u] AH
[vv] V
[v] V
[who]$ HH UW
[wh] W
^[wr] R
[w](C|$)
[w] W
^[x] Z
[x] K S
^[y]V Y
^C*[y]$ AY
[y]$ IY
[yr] IH R
[y]Ce$ AY
V[y]V Y
[y]C IH
[y] IY
[zz] T S
[z] Z
"""

_NAMES: Final[dict[str, str]] = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY", "h": "EY CH", "i": "AY",
    "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N", "o": "OW", "p": "P IY", "q": "K Y UW",
    "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW", "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S",
    "y": "W AY", "z": "Z IY",
}  # fmt: skip
_RULE: Final = re.compile(r"^(?P<left>[^\[]*)\[(?P<letters>[a-z]+)\](?P<right>\S*)(?P<phones>( [A-Z]+)*)\s*$")
_ACCENTS: Final = str.maketrans("àáâãäåçèéêëìíîïñòóôõöøùúûüýÿ", "aaaaaaceeeeiiiinoooooouuuuyy")


class _Rule(NamedTuple):
    left: re.Pattern[str]
    letters: str
    right: re.Pattern[str]
    phones: Phones


@cache
def _rules() -> dict[str, list[_Rule]]:
    table: dict[str, list[_Rule]] = {}
    for line in _RULES.strip().splitlines():
        found = _RULE.match(line)
        if found is None:
            raise ValueError(f"not a rule: {line}")
        left, right = (
            found[side].replace("V", "[aeiouy]").replace("C", "[bcdfghjklmnpqrstvwxz]") for side in ("left", "right")
        )
        rule = _Rule(re.compile(f"(?:{left})$"), found["letters"], re.compile(right), tuple(found["phones"].split()))
        table.setdefault(rule.letters[0], []).append(rule)
    return table


def by_rules(word: str) -> Phones:
    """Return how a word is probably said; nothing for a word without Latin letters."""
    text = re.sub(r"[^a-z]", "", word.lower().translate(_ACCENTS))
    phones: list[str] = []
    position = 0
    while position < len(text):
        rule = next(rule for rule in _rules()[text[position]] if _fits(rule, text, position))
        phones.extend(rule.phones)
        position += len(rule.letters)
    return tuple(phones)


def _fits(rule: _Rule, text: str, position: int) -> bool:
    end = position + len(rule.letters)
    return (
        text.startswith(rule.letters, position)
        and rule.right.match(text, end) is not None
        and rule.left.search(text[:position]) is not None
    )


def spelt_out(word: str) -> Phones:
    """Return how a word is said letter by letter, "bbc" as B IY B IY S IY; nothing without Latin letters."""
    return tuple(phone for letter in word.lower() if letter in _NAMES for phone in _NAMES[letter].split())
