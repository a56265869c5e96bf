"""English that no skill gives: everyday speech that is not for us, and ways to say values."""

from __future__ import annotations

from earshot_nlu.understanding.language import Speech
from earshot_nlu.understanding.model import SlotKind

_STRANGE = """
i went to the shops this morning and bought some bread
she told me that her sister is getting married in june
have you seen my keys anywhere
we should paint the fence before winter
the train was late again yesterday
he has been working on that car for years
do you want a cup of tea
i think the meeting went quite well
what did you do at school today
my back hurts when i sit for too long
they are moving to a bigger house next month
put your shoes in the hall please
the soup needs a little more salt
who ate the last piece of cake
can you pass me the butter
i have to call the dentist about that tooth
the neighbours are having a party again
did you feed the cat
there is nothing on television tonight
that was the best film i have seen this year
let me know when you get there
i can't believe how much this costs
the children are asleep upstairs
why is the sky blue
who was the first person on the moon
how many people live in the world
what is the capital of that country
how do i fix a leaking tap
what does this word mean
is it true that cats always land on their feet
tell me something interesting about whales
how tall is the highest mountain
who wrote this book
what is the meaning of life
how much does a new bicycle cost
where can i buy good shoes
when was the bridge built
how do you make pancakes
what is the best way to learn the piano
translate this sentence for me
book a table for two at the italian place
order a large pizza with mushrooms
send a message to my brother
call the office and say i am ill
pay the gas bill
transfer some money to my savings
what is my bank balance
find me a flight to the coast
reserve a room in the hotel by the lake
track my parcel
open the garage door
lock the front door
turn the page
turn left at the next crossing
turn down the offer
set the table for dinner
set a good example
set off early to avoid the traffic
start the washing machine
start the car
stop being silly
stop at the red light
play with the dog
play a game of cards with us
skip the introduction
skip lunch
next time we should take the bus
remind me why we came here
add the sugar and stir well
remove the lid and let it cool
pause for breath
show me your drawing
give me a break
give it back to your brother
make the bed
make sure you lock up
cancel my gym membership
cancel the newspaper
check the tyres
change the subject
turn on the charm
switch seats with me
take the dog for a walk
take off your coat
what a lovely day
good morning everyone
nice to meet you
thank you very much for coming
i am sorry i am late
yes of course
no i don't think so
maybe later
that is right
i don't know
well anyway
you know what i mean
right then
oh dear
see you tomorrow
happy birthday
it was raining when we left the house
the weather was lovely on our holiday
time flies when you are having fun
it takes a long time to get there
he set an alarm in the office by mistake
the music in that restaurant was far too loud
she plays the violin in an orchestra
the timer on the oven is broken
i read a book about the history of clocks
the light in the hall is broken
the temperature of the water has to be right
in the beginning there was nothing
the government announced new measures on tuesday
the shares of the company fell by three percent
scientists have found a new kind of frog
the match ended in a draw
the road is closed because of an accident
the minister said that the talks would go on
researchers say the results are encouraging
the court will decide next week
it is a truth that everybody knows
he opened the door and looked into the dark room
she smiled and said nothing
they walked along the river until it grew dark
once upon a time there was a king
the ship sailed at dawn
the old man sat by the window
i never said that
that's not what i asked
are you listening to me
who are you talking to
what's wrong with you
i love you
come here
go away
hurry up
be quiet
wait a minute
hold on
look at that
watch out
what's for dinner
where's the remote
is anybody home
did somebody ring the bell
whose turn is it
how was your day
what's your name
how old are you
are you a robot
tell me a story
sing me a song
do my homework
"""

_NUMBERS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "fifteen",
    "twenty", "twenty five", "thirty", "forty two", "fifty", "seventy", "ninety", "a hundred", "3", "5", "7", "20",
    "35", "50", "80", "100",
)  # fmt: skip
_DURATIONS = (
    "a minute", "one minute", "two minutes", "five minutes", "ten minutes", "fifteen minutes", "twenty five minutes",
    "half an hour", "an hour", "two hours", "an hour and a half", "one hour and ten minutes", "thirty seconds",
    "45 seconds", "90 minutes", "3 hours", "a day", "two days", "10 minutes", "20 seconds",
)  # fmt: skip
_TIMES = (
    "today", "tomorrow", "tonight", "this evening", "this afternoon", "tomorrow morning", "tomorrow night",
    "the day after tomorrow", "on monday", "next tuesday", "wednesday", "on friday morning", "saturday", "this weekend",
    "next week", "in two days", "in an hour", "at seven", "at 7 am", "at half past six", "at quarter to nine", "6:30",
    "at noon", "eight o'clock", "seven thirty", "at ten pm", "on the third of may", "december 25th", "the fifteenth",
    "tomorrow at eight", "monday at nine", "next month",
)  # fmt: skip

SPEECH = Speech(
    strange=tuple(_STRANGE.strip().splitlines()),
    values={SlotKind.NUMBER: _NUMBERS, SlotKind.DURATION: _DURATIONS, SlotKind.DATE_TIME: _TIMES},
    before=(
        "could you", "i want to", "i would like you to", "would you mind", "i need you to", "can we", "just", "quickly",
        "go ahead and", "now", "let us",
    ),
    after=("for me", "now", "then", "if you can", "right away", "again", "would you"),
    pointers=frozenset({"the", "a", "an", "my", "some", "any", "this", "that", "our"}),
)  # fmt: skip
