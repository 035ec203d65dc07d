DROP TABLE payments, enrollments, courses, users; DROP TYPE payment_status;
