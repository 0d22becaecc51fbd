Console.WriteLine("minke");
