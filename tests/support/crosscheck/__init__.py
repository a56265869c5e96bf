"""What rendered objects say, held against what the programs in them do: each check yields what is wrong, over every pod."""
