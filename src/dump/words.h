/* dump/words.h -- The words of one statement, for telling what kind it is and which roles it names. */
#pragma once
#include "base/base.h"

/* Cuts the next word off *rest: a keyword or bare name as written, or a "quoted name" with its quotes. Strings, dollar quotes, comments,
   numbers and punctuation are passed over. False at the end. */
bool words_next(struct str *rest, struct str *ret);
bool word_is(struct str word, const char *keyword); /* case does not count; a quoted name is never a keyword */
/* The name that a word stands for: quotes taken off, or folded to small letters. */
char *word_name(struct arena *arena, struct str word);
/* Do the first words of the statement equal `keywords`, separated by single blanks? "*" stands for any one word. */
bool words_begin(struct str statement, const char *keywords);
