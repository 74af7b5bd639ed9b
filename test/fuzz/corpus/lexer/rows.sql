eCOPY t FROM stdin;
\\.
\.x
\.
COPY "a b".c  FROM stdin;


\.
--
-- PostgreSQL database dump complete
--
