cSET standard_conforming_strings = off;
SELECT 'a\'; b', E'it\'s', U&"d;", "q"";";
/* /* ; */ */ SELECT E'a' -- c
 '\';';
--
-- PostgreSQL database dump complete
--
