"""Services of the system under test whose engines, or skills, are the test's own."""
